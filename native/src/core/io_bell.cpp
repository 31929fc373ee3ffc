#include "io_bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace tcmu {

Bell* Bell::Hang(napi_env env, void* owner, Call rung, Call end, int* error) {
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return *error = errno, nullptr;
  Bell* bell = new Bell();
  if ((*error = -uv_poll_init(loop, &bell->poll_, fd)) != 0) {
    close(fd);
    delete bell;
    return nullptr;
  }
  bell->poll_.data = bell;
  bell->fd_ = fd;
  bell->owner_ = owner;
  bell->rung_ = rung;
  bell->end_ = end;
  uv_poll_start(&bell->poll_, UV_READABLE, [](uv_poll_t* handle, int, int) {
    Bell* bell = static_cast<Bell*>(handle->data);
    bell->rung_(bell->owner_);
  });
  bell->Unref();
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* arg) {
        Bell* bell = static_cast<Bell*>(arg);
        bell->end_(bell->owner_);
      },
      bell, &bell->hook_);
  return bell;
}

void Bell::Ring() {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, so the loop is awake already.
  while (write(fd_, &one, sizeof(one)) < 0 && errno == EINTR) continue;
}

void Bell::Clear() {
  uint64_t count;
  while (read(fd_, &count, sizeof(count)) < 0 && errno == EINTR) continue;
}

void Bell::TakeDown() {
  end_ = [](void*) {};
  uv_close(Handle(), [](uv_handle_t* handle) {
    Bell* bell = static_cast<Bell*>(handle->data);
    close(bell->fd_);
    napi_remove_async_cleanup_hook(bell->hook_);
    delete bell;
  });
}

}  // namespace tcmu
