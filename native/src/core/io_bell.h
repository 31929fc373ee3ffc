#pragma once
#include <node_api.h>
#include <uv.h>

#include <cstdint>

namespace tcmu {

// Wakes the event loop for completions: an eventfd, rung by threads and by io_uring, and a timer for what may wait a little. Outlives its
// owner: libuv and the environment's cleanup still hold it when the JavaScript face is gone.
class Bell {
 public:
  using Call = void (*)(void* owner);
  // Calls `rung` on the loop after Ring, `end` when the environment goes down; nullptr and a positive errno when there is
  // none. It does not hold the loop until Ref.
  static Bell* Hang(napi_env env, void* owner, Call rung, Call end, int* error);
  // From any thread; one call of `rung` may stand for many.
  void Ring();
  // The same, that many nanoseconds later (more than none). The last call counts.
  void RingIn(int64_t nanoseconds);
  void Ref() { uv_ref(Handle(now_)); }
  void Unref() { uv_unref(Handle(now_)); }
  int fd() const { return now_.fd; }
  // No call after this; frees itself when the loop has let go.
  void TakeDown();

 private:
  // A descriptor that becomes readable, and who looks at it.
  struct Line {
    uv_poll_t poll;
    int fd = -1;
  };

  Bell() = default;
  static uv_handle_t* Handle(Line& line) { return reinterpret_cast<uv_handle_t*>(&line.poll); }
  int Watch(uv_loop_t* loop, Line& line, int fd);
  void Drop(Line& line);

  Line now_;
  Line later_;
  // Lines that the loop holds.
  int watched_ = 0;
  void* owner_ = nullptr;
  Call rung_ = nullptr;
  Call end_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

}  // namespace tcmu
