#pragma once
#include <functional>
#include <memory>
#include <mutex>

#include "../core/session.h"
#include "connection.h"

namespace tcmu::glfs {

// A file of a volume.
class FileSession : public Session {
 public:
  static std::shared_ptr<Session> Make(std::function<void()>) { return std::make_shared<FileSession>(); }
  int Call(const std::string& name, const Texts& arguments, Texts* results) override;
  // glfs_init waits for minutes for a server that does not answer.
  bool MayBeLeft() const override { return true; }
  // Waits for nothing: who has I/O under way holds the file.
  void End() override;

  // nullptr when it is not open.
  std::shared_ptr<OpenFile> file();

 private:
  using Method = int (FileSession::*)(const Texts& arguments, Texts* results);
  struct Row {
    const char* name;
    // At least.
    size_t arguments;
    // What has to be there.
    enum { kNothing, kVolume, kFile } needs;
    Method method;
  };
  static const Row kRows[];

  int Connect(const Texts& arguments, Texts* results);
  int Open(const Texts& arguments, Texts* results);
  int Create(const Texts& arguments, Texts* results);
  int Truncate(const Texts& arguments, Texts* results);
  int Stat(const Texts& arguments, Texts* results);
  int Extents(const Texts& arguments, Texts* results);
  int Space(const Texts& arguments, Texts* results);
  int Enforce(const Texts& arguments, Texts* results);
  int Lock(const Texts& arguments, Texts* results);
  int Unlock(const Texts& arguments, Texts* results);
  int LockedByOther(const Texts& arguments, Texts* results);

  int Opened(File file);
  int LockWhole(int command, short type, struct flock* lock);

  std::shared_ptr<Connection> connection_;
  std::mutex mutex_;
  std::shared_ptr<OpenFile> file_;
};

}  // namespace tcmu::glfs
