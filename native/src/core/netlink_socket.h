#pragma once
#include <napi.h>
#include <uv.h>

#include <cstdint>
#include <vector>

namespace tcmu {

// A raw generic netlink socket: bytes out, batches of datagrams in. Knows nothing of what they mean.
class NetlinkSocket : public Napi::ObjectWrap<NetlinkSocket> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit NetlinkSocket(const Napi::CallbackInfo& info);
  ~NetlinkSocket() override;

 private:
  // Outlives the object: libuv and the environment's cleanup still hold it after the JavaScript face is gone.
  struct Poll {
    uv_poll_t handle;
    NetlinkSocket* owner;
    napi_async_cleanup_hook_handle hook;
  };

  bool Open(Napi::Env env, int receive_buffer);
  bool StartPoll(Napi::Env env);
  void OnReadable();
  // 1: a datagram of the kernel was added to the list; 0: there is none; otherwise a negative errno.
  int Receive(Napi::Env env, Napi::Array list);
  bool Dropped();
  void Shut();

  void Start(const Napi::CallbackInfo& info);
  void Join(const Napi::CallbackInfo& info);
  void Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  int fd_ = -1;
  uint32_t drops_ = 0;
  std::vector<uint8_t> buffer_;
  Poll* poll_ = nullptr;
  Napi::FunctionReference on_datagrams_;
  Napi::FunctionReference on_error_;
};

}  // namespace tcmu
