#include <fcntl.h>
#include <napi.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string>

#include "addon.h"
#include "direct.h"
#include "errors.h"
#include "file_job.h"

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

// directIo(fd): from now on past the page cache (O_DIRECT); what positions and lengths must be multiples of, or 0 where the
// file system has no direct I/O, and nothing is changed.
static Napi::Value DirectIo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd;
  if (!IntArgument(info, 0, "fd", &fd)) return env.Undefined();
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return ThrowSystemError(env, errno, "fcntl"), env.Undefined();
  uint32_t wanted = LiesInMemory(fd) ? 0 : DirectAlignment(fd).offset;
  if (wanted == 0 || (fcntl(fd, F_SETFL, flags | O_DIRECT) < 0 && errno == EINVAL)) return Napi::Number::New(env, 0);
  if (!IsDirect(fd)) return ThrowSystemError(env, errno, "fcntl"), env.Undefined();
  return Napi::Number::New(env, wanted);
}

// One byte of an open file description lock; `*held` says whether another description has a lock in the way.
static int ByteLock(int fd, int command, short type, double byte, bool* held) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(byte);
  lock.l_len = 1;
  *held = false;
  if (fcntl(fd, command, &lock) == 0) {
    *held = command == F_OFD_GETLK && lock.l_type != F_UNLCK;
    return 0;
  }
  if (command == F_OFD_SETLK && (errno == EAGAIN || errno == EACCES)) return *held = true, 0;
  return errno;
}

// lockBytes(fd, hold, refuse): share-lock the bytes of `hold`, then look for others' locks on those of `refuse`. The
// first byte in the way, or -1.
static Napi::Value LockBytes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd;
  if (!IntArgument(info, 0, "fd", &fd)) return env.Undefined();
  for (size_t list = 1; list <= 2; list++) {
    if (!info[list].IsArray()) return ThrowTypeError(env, "lockBytes takes two lists of bytes"), env.Undefined();
    Napi::Array bytes = info[list].As<Napi::Array>();
    for (uint32_t i = 0; i < bytes.Length(); i++) {
      double byte = bytes.Get(i).ToNumber().DoubleValue();
      if (!(byte >= 0 && byte < 4294967296.0)) return ThrowTypeError(env, "a byte to lock is from 0 to 2^32"), env.Undefined();
      bool held;
      int error = list == 1 ? ByteLock(fd, F_OFD_SETLK, F_RDLCK, byte, &held) : ByteLock(fd, F_OFD_GETLK, F_WRLCK, byte, &held);
      if (error != 0) return ThrowSystemError(env, error, "fcntl"), env.Undefined();
      if (held) return Napi::Number::New(env, byte);
    }
  }
  return Napi::Number::New(env, -1);
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

// endWithParent(): the kernel ends this process when the thread that started it ends.
static Napi::Value EndWithParent(const Napi::CallbackInfo& info) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) ThrowSystemError(info.Env(), errno, "prctl");
  return info.Env().Undefined();
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

// sendDatagram(path, text): to a socket of the Unix family, '@' for the abstract name space; false when it was not taken.
static Napi::Value SendDatagram(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString() || !info[1].IsString()) {
    Napi::TypeError::New(env, "sendDatagram takes a path and a text").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const std::string text = info[1].As<Napi::String>().Utf8Value();
  struct sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(to.sun_path)) return Napi::Boolean::New(env, false);
  memcpy(to.sun_path, path.data(), path.size());
  if (path[0] == '@') to.sun_path[0] = '\0';
  const socklen_t length = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) + path.size());
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return Napi::Boolean::New(env, false);
  ssize_t sent = sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<struct sockaddr*>(&to), length);
  close(fd);
  return Napi::Boolean::New(env, sent == static_cast<ssize_t>(text.size()));
}

Napi::Object DefineSyscalls(Napi::Env env, Napi::Object exports) {
  exports.Set("directIo", Napi::Function::New<DirectIo>(env, "directIo"));
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
  exports.Set("lockBytes", Napi::Function::New<LockBytes>(env, "lockBytes"));
  exports.Set("raiseFileLimit", Napi::Function::New<RaiseFileLimit>(env, "raiseFileLimit"));
  exports.Set("endWithParent", Napi::Function::New<EndWithParent>(env, "endWithParent"));
  exports.Set("memfd", Napi::Function::New<Memfd>(env, "memfd"));
  exports.Set("eventfd", Napi::Function::New<EventFd>(env, "eventfd"));
  exports.Set("sendDatagram", Napi::Function::New<SendDatagram>(env, "sendDatagram"));
  return exports;
}

}  // namespace tcmu
