#include <fcntl.h>
#include <napi.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "addon.h"
#include "errors.h"

namespace tcmu {

// lockFile(fd, exclusive): true, or false when another open file description holds a lock in the way.
static Napi::Value LockFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd;
  if (!IntArgument(info, 0, "fd", &fd)) return env.Undefined();
  struct flock lock = {};
  lock.l_type = info[1].ToBoolean() ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return Napi::Boolean::New(env, true);
  if (errno == EAGAIN || errno == EACCES) return Napi::Boolean::New(env, false);
  return ThrowSystemError(env, errno, "fcntl"), env.Undefined();
}

// raiseFileLimit(wanted): raise the soft limit of open files towards `wanted`, at most to the hard one; the limit now.
static Napi::Value RaiseFileLimit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int wanted;
  if (!IntArgument(info, 0, "wanted", &wanted)) return env.Undefined();
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return ThrowSystemError(env, errno, "getrlimit"), env.Undefined();
  rlim_t target = std::min<rlim_t>(static_cast<rlim_t>(wanted), limit.rlim_max);
  if (target > limit.rlim_cur) {
    limit.rlim_cur = target;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return ThrowSystemError(env, errno, "setrlimit"), env.Undefined();
  }
  return Napi::Number::New(env, static_cast<double>(limit.rlim_cur));
}

// memfd(size): a descriptor of zeroed shared memory whose size is sealed.
static Napi::Value Memfd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  double size;
  if (!SizeArgument(info, 0, "size", &size)) return env.Undefined();
  int fd = memfd_create("tcmu", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return ThrowSystemError(env, errno, "memfd_create"), env.Undefined();
  if (ftruncate(fd, static_cast<off_t>(size)) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
    int error = errno;
    close(fd);
    return ThrowSystemError(env, error, "ftruncate"), env.Undefined();
  }
  return Napi::Number::New(env, fd);
}

// eventfd(): a descriptor that counts, non-blocking.
static Napi::Value EventFd(const Napi::CallbackInfo& info) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return ThrowSystemError(info.Env(), errno, "eventfd"), info.Env().Undefined();
  return Napi::Number::New(info.Env(), fd);
}

Napi::Object DefineSyscalls(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
  exports.Set("raiseFileLimit", Napi::Function::New<RaiseFileLimit>(env, "raiseFileLimit"));
  exports.Set("memfd", Napi::Function::New<Memfd>(env, "memfd"));
  exports.Set("eventfd", Napi::Function::New<EventFd>(env, "eventfd"));
  return exports;
}

}  // namespace tcmu
