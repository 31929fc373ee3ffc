#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "../core/session.h"
#include "library.h"

namespace tcmu::rbd {

// A connection to a cluster with one image open: what fences the image fences no other.
class ImageSession : public Session {
 public:
  explicit ImageSession(std::function<void()> changed) : changed_(std::move(changed)) {}
  static std::shared_ptr<Session> Make(std::function<void()> changed) { return std::make_shared<ImageSession>(std::move(changed)); }
  int Call(const std::string& name, const Texts& arguments, Texts* results) override;
  void End() override;

  // The image, for one operation that LetGo follows; nullptr when it is not open.
  Image Hold();
  void LetGo();

 private:
  using Method = int (ImageSession::*)(const Texts& arguments, Texts* results);
  struct Row {
    const char* name;
    // At least.
    size_t arguments;
    // What has to be there.
    enum { kNothing, kCluster, kImage } needs;
    Method method;
  };
  static const Row kRows[];

  int Create(const Texts& arguments, Texts* results);
  int ReadConf(const Texts& arguments, Texts* results);
  int SetConf(const Texts& arguments, Texts* results);
  int GetConf(const Texts& arguments, Texts* results);
  int Connect(const Texts& arguments, Texts* results);
  int Address(const Texts& arguments, Texts* results);
  int OpenPool(const Texts& arguments, Texts* results);
  int Open(const Texts& arguments, Texts* results);
  int Monitor(const Texts& arguments, Texts* results);
  int Register(const Texts& arguments, Texts* results);
  int UpdateStatus(const Texts& arguments, Texts* results);

  int Stat(const Texts& arguments, Texts* results);
  int Size(const Texts& arguments, Texts* results);
  int Resize(const Texts& arguments, Texts* results);
  int Watch(const Texts& arguments, Texts* results);
  int Extents(const Texts& arguments, Texts* results);
  int Used(const Texts& arguments, Texts* results);
  int IsLockOwner(const Texts& arguments, Texts* results);
  int AcquireLock(const Texts& arguments, Texts* results);
  int ReleaseLock(const Texts& arguments, Texts* results);
  int BreakLock(const Texts& arguments, Texts* results);
  int LockOwners(const Texts& arguments, Texts* results);
  int GetMetadata(const Texts& arguments, Texts* results);
  int SetMetadata(const Texts& arguments, Texts* results);
  int RemoveMetadata(const Texts& arguments, Texts* results);

  std::function<void()> changed_;
  Cluster cluster_ = nullptr;
  Pool pool_ = nullptr;
  Image image_ = nullptr;
  uint64_t watch_ = 0;
  bool watching_ = false;

  std::mutex mutex_;
  std::condition_variable idle_;
  size_t held_ = 0;
  bool open_ = false;
};

}  // namespace tcmu::rbd
