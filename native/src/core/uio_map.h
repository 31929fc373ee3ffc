#pragma once
#include <napi.h>
#include <uv.h>

#include <string>

namespace tcmu {

// A shared memory ring with its two doorbells: /dev/uioN (4 byte words, one descriptor), or a memfd with two eventfds
// (8 byte words). Owns its descriptors and its mapping until Close.
class UioMap : public Napi::ObjectWrap<UioMap> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit UioMap(const Napi::CallbackInfo& info);
  ~UioMap() override;

 private:
  // Outlives the object: libuv and the environment's cleanup still hold it after the JavaScript face is gone.
  struct Poll {
    uv_poll_t handle;
    UioMap* owner;
    napi_async_cleanup_hook_handle hook;
  };

  bool OpenPath(Napi::Env env, const std::string& path);
  bool OpenDevice(const Napi::CallbackInfo& info);
  bool TakeDevice(Napi::Env env, int fd);
  bool OpenFds(const Napi::CallbackInfo& info);
  bool Map(Napi::Env env, int fd);
  bool StartPoll(Napi::Env env);
  void OnReadable(int status);
  void Fail(int error);
  void Shut(bool detach);
  void CloseFds();

  void Start(const Napi::CallbackInfo& info);
  Napi::Value Kick(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  Napi::Value Memory(const Napi::CallbackInfo& info);
  Napi::Value KickFd(const Napi::CallbackInfo& info);
  Napi::Value WordSize(const Napi::CallbackInfo& info);

  std::string name_;
  int wake_fd_ = -1;
  int kick_fd_ = -1;
  size_t word_ = 4;
  uint8_t* base_ = nullptr;
  size_t size_ = 0;
  Poll* poll_ = nullptr;
  Napi::Reference<Napi::ArrayBuffer> memory_;
  Napi::FunctionReference on_wake_;
  Napi::FunctionReference on_error_;
};

}  // namespace tcmu
