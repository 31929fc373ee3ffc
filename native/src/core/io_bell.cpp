#include "io_bell.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

namespace tcmu {

namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Before looking at what it was readable for.
void Drain(int fd) {
  uint64_t count;
  while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) continue;
}

}  // namespace

Bell* Bell::Hang(napi_env env, void* owner, Call rung, Call end, int* error) {
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  Bell* bell = new Bell();
  bell->owner_ = owner;
  bell->rung_ = rung;
  bell->end_ = end;
  *error = bell->Watch(loop, bell->now_, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (*error == 0) *error = bell->Watch(loop, bell->later_, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (*error != 0) {
    if (bell->watched_ == 0) delete bell;
    else bell->Drop(bell->now_);
    return nullptr;
  }
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* arg) {
        Bell* bell = static_cast<Bell*>(arg);
        bell->end_(bell->owner_);
      },
      bell, &bell->hook_);
  return bell;
}

// 0 or a positive errno. Takes the descriptor, or the errno that there is none for.
int Bell::Watch(uv_loop_t* loop, Line& line, int fd) {
  if (fd < 0) return errno;
  int error = -uv_poll_init(loop, &line.poll, fd);
  if (error != 0) return close(fd), error;
  line.fd = fd;
  line.poll.data = this;
  watched_++;
  uv_poll_start(&line.poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
    Bell* bell = static_cast<Bell*>(handle->data);
    Drain((handle == &bell->now_.poll ? bell->now_ : bell->later_).fd);
    bell->rung_(bell->owner_);
  });
  uv_unref(Handle(line));
  return 0;
}

void Bell::Ring() {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, so the loop is awake already.
  while (write(now_.fd, &one, sizeof(one)) < 0 && errno == EINTR) continue;
}

void Bell::RingIn(int64_t nanoseconds) {
  itimerspec in{};
  in.it_value.tv_sec = static_cast<time_t>(nanoseconds / kSecond);
  in.it_value.tv_nsec = static_cast<long>(nanoseconds % kSecond);
  timerfd_settime(later_.fd, 0, &in, nullptr);
}

void Bell::TakeDown() {
  end_ = [](void*) {};
  Drop(now_);
  Drop(later_);
}

void Bell::Drop(Line& line) {
  uv_close(Handle(line), [](uv_handle_t* handle) {
    Bell* bell = static_cast<Bell*>(handle->data);
    close((handle == Handle(bell->now_) ? bell->now_ : bell->later_).fd);
    if (--bell->watched_ > 0) return;
    if (bell->hook_ != nullptr) napi_remove_async_cleanup_hook(bell->hook_);
    delete bell;
  });
}

}  // namespace tcmu
