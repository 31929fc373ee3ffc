#include "uio_map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "addon.h"
#include "errors.h"
#include "own_method.h"

namespace tcmu {

Napi::Function UioMap::Define(Napi::Env env) {
  return DefineClass(env, "UioMap",
                     {
                         InstanceMethod<&UioMap::Start>("start"),
                         InstanceMethod<&UioMap::Close>("close"),
                         InstanceAccessor<&UioMap::Memory>("memory"),
                         InstanceAccessor<&UioMap::KickFd>("kickFd"),
                         InstanceAccessor<&UioMap::WordSize>("wordSize"),
                     });
}

// new UioMap(path, size), new UioMap(uioFd, size) or new UioMap(memFd, size, wakeFd, kickFd, wordSize). The third form owns
// wakeFd and kickFd once it succeeded; uioFd and memFd stay the caller's.
UioMap::UioMap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<UioMap>(info) {
  Napi::Env env = info.Env();
  OwnMethod<UioMap, &UioMap::Kick>(this, info.This().As<Napi::Object>(), "kick");
  double size;
  if (!SizeArgument(info, 1, "size", &size)) return;
  if (size == 0) {
    ThrowTypeError(env, "size must not be 0");
    return;
  }
  size_ = static_cast<size_t>(size);
  bool shared = info.Length() > 2;
  bool open = info[0].IsString() ? OpenPath(env, info[0].As<Napi::String>()) : shared ? OpenFds(info) : OpenDevice(info);
  if (open && StartPoll(env)) {
    Ref();
    return;
  }
  if (base_ != nullptr) munmap(base_, size_);
  if (!shared) CloseFds();
}

UioMap::~UioMap() = default;

bool UioMap::OpenPath(Napi::Env env, const std::string& path) {
  name_ = path;
  int fd = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return ThrowSystemError(env, errno, "open", name_), false;
  return TakeDevice(env, fd);
}

// A device opens once: a duplicate of who has it open is the only other way to it.
bool UioMap::OpenDevice(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int device;
  if (!IntArgument(info, 0, "uioFd", &device)) return false;
  name_ = "uio";
  int fd = fcntl(device, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return ThrowSystemError(env, errno, "fcntl"), false;
  return TakeDevice(env, fd);
}

bool UioMap::TakeDevice(Napi::Env env, int fd) {
  wake_fd_ = kick_fd_ = fd;
  struct stat st;
  if (fstat(fd, &st) < 0) return ThrowSystemError(env, errno, "fstat", name_), false;
  // A file can be cut short under the mapping, which is SIGBUS; anything else that cannot be mapped says so itself.
  if (S_ISREG(st.st_mode)) return ThrowTypeError(env, (name_ + " is not a character device").c_str()), false;
  return Map(env, fd);
}

bool UioMap::OpenFds(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd, wake, kick, word;
  if (!IntArgument(info, 0, "memFd", &fd) || !IntArgument(info, 2, "wakeFd", &wake) ||
      !IntArgument(info, 3, "kickFd", &kick) || !IntArgument(info, 4, "wordSize", &word)) {
    return false;
  }
  if (word != 4 && word != 8) return ThrowTypeError(env, "wordSize must be 4 or 8"), false;
  struct stat st;
  if (fstat(fd, &st) < 0) return ThrowSystemError(env, errno, "fstat"), false;
  if (static_cast<size_t>(st.st_size) < size_) return ThrowTypeError(env, "the memory is smaller than size"), false;
  // Without the seal the other side could shrink it, and a read here would be SIGBUS.
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) return ThrowTypeError(env, "the memory is not a memfd sealed against shrinking"), false;
  for (int doorbell : {wake, kick}) {
    int flags = fcntl(doorbell, F_GETFL);
    if (flags < 0 || fcntl(doorbell, F_SETFL, flags | O_NONBLOCK) < 0) return ThrowSystemError(env, errno, "fcntl"), false;
  }
  if (!Map(env, fd)) return false;
  name_ = "memfd";
  word_ = static_cast<size_t>(word);
  wake_fd_ = wake;
  kick_fd_ = kick;
  return true;
}

bool UioMap::Map(Napi::Env env, int fd) {
  void* base = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return ThrowSystemError(env, errno, "mmap", name_), false;
  base_ = static_cast<uint8_t*>(base);
  napi_value buffer;
  // Close unmaps, not the garbage collector: hence no finalizer. Such a buffer cannot be transferred to another thread.
  if (napi_create_external_arraybuffer(env, base_, size_, nullptr, nullptr, &buffer) != napi_ok) {
    return ThrowTypeError(env, "this JavaScript runtime does not allow external ArrayBuffers"), false;
  }
  memory_ = Napi::Persistent(Napi::ArrayBuffer(env, buffer));
  return true;
}

bool UioMap::StartPoll(Napi::Env env) {
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  Poll* poll = new Poll{};
  int error = uv_poll_init(loop, &poll->handle, wake_fd_);
  if (error < 0) {
    delete poll;
    memory_.Value().Detach();
    return ThrowSystemError(env, -error, "poll", name_), false;
  }
  poll->handle.data = poll;
  poll->owner = this;
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* arg) { static_cast<Poll*>(arg)->owner->Shut(false); },
      poll, &poll->hook);
  poll_ = poll;
  return true;
}

// start(onWake, onError): from now on one onWake() per wake-up, however many doorbells it stands for.
void UioMap::Start(const Napi::CallbackInfo& info) {
  if (poll_ == nullptr) return ThrowSystemError(info.Env(), EBADF, "start", name_);
  if (!info[0].IsFunction() || !info[1].IsFunction()) return ThrowTypeError(info.Env(), "start(onWake, onError) takes two functions");
  on_wake_ = Napi::Persistent(info[0].As<Napi::Function>());
  on_error_ = Napi::Persistent(info[1].As<Napi::Function>());
  int error = uv_poll_start(&poll_->handle, UV_READABLE, [](uv_poll_t* handle, int status, int) {
    static_cast<Poll*>(handle->data)->owner->OnReadable(status);
  });
  if (error < 0) ThrowSystemError(info.Env(), -error, "poll", name_);
}

void UioMap::OnReadable(int status) {
  uint64_t count = 0;
  ssize_t n = read(wake_fd_, &count, word_);
  int error = n < 0 ? errno : 0;
  if (status < 0 || (n < 0 && error != EAGAIN && error != EINTR) || (n >= 0 && n != static_cast<ssize_t>(word_))) {
    return Fail(error != 0 && error != EAGAIN && error != EINTR ? error : EIO);
  }
  if (n < 0) return;
  Napi::HandleScope scope(Env());
  CallBack(Env(), on_wake_, {});
}

// The device is gone: said once, and never polled again.
void UioMap::Fail(int error) {
  uv_poll_stop(&poll_->handle);
  Napi::HandleScope scope(Env());
  CallBack(Env(), on_error_, {SystemError(Env(), error, "read", name_).Value()});
}

Napi::Value UioMap::Kick(const Napi::CallbackInfo& info) {
  const Napi::Value nothing = info.Env().Undefined();
  if (poll_ == nullptr) return ThrowSystemError(info.Env(), EBADF, "kick", name_), nothing;
  // UIO takes a 4 byte word, an eventfd an 8 byte one; little-endian 1 is right for both.
  const uint64_t one = 1;
  ssize_t n;
  do n = write(kick_fd_, &one, word_);
  while (n < 0 && errno == EINTR);
  // EAGAIN: the counter is full, so the other side is awake already.
  if (n < 0 && errno != EAGAIN) ThrowSystemError(info.Env(), errno, "write", name_);
  return nothing;
}

Napi::Value UioMap::Memory(const Napi::CallbackInfo& info) {
  return memory_.IsEmpty() ? info.Env().Undefined() : memory_.Value().As<Napi::Value>();
}

Napi::Value UioMap::KickFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), kick_fd_);
}

Napi::Value UioMap::WordSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(word_));
}

void UioMap::Close(const Napi::CallbackInfo&) {
  Shut(true);
}

// Twice is fine. `detach` is false while the environment goes down: no JavaScript runs any more that could look.
void UioMap::Shut(bool detach) {
  if (poll_ == nullptr) return;
  Poll* poll = poll_;
  poll_ = nullptr;
  uv_poll_stop(&poll->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
    Poll* poll = static_cast<Poll*>(handle->data);
    napi_remove_async_cleanup_hook(poll->hook);
    delete poll;
  });
  Env().GetInstanceData<AddonData>()->memory_users.Forget(base_, size_);
  if (detach) {
    Napi::HandleScope scope(Env());
    memory_.Value().Detach();
  }
  munmap(base_, size_);
  base_ = nullptr;
  CloseFds();
  on_wake_.Reset();
  on_error_.Reset();
  Unref();
}

void UioMap::CloseFds() {
  if (wake_fd_ >= 0) close(wake_fd_);
  if (kick_fd_ >= 0 && kick_fd_ != wake_fd_) close(kick_fd_);
  wake_fd_ = kick_fd_ = -1;
}

}  // namespace tcmu
