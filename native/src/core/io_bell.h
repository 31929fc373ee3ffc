#pragma once
#include <node_api.h>
#include <uv.h>

namespace tcmu {

// Wakes the event loop for completions: one eventfd, rung by threads and by io_uring. Outlives its owner: libuv and the
// environment's cleanup still hold it when the JavaScript face is gone.
class Bell {
 public:
  using Call = void (*)(void* owner);
  // Calls `rung` on the loop after Ring, `end` when the environment goes down; nullptr and a positive errno when there is
  // none. It does not hold the loop until Ref.
  static Bell* Hang(napi_env env, void* owner, Call rung, Call end, int* error);
  // From any thread; one call of `rung` may stand for many.
  void Ring();
  // Before looking at what it was rung for.
  void Clear();
  void Ref() { uv_ref(Handle()); }
  void Unref() { uv_unref(Handle()); }
  int fd() const { return fd_; }
  // No call after this; frees itself when the loop has let go.
  void TakeDown();

 private:
  Bell() = default;
  uv_handle_t* Handle() { return reinterpret_cast<uv_handle_t*>(&poll_); }

  uv_poll_t poll_;
  int fd_ = -1;
  void* owner_ = nullptr;
  Call rung_ = nullptr;
  Call end_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

}  // namespace tcmu
