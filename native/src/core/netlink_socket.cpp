#include "netlink_socket.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "addon.h"
#include "errors.h"

namespace tcmu {

// Datagrams handed over at once; the rest waits for the next turn of the loop.
constexpr uint32_t kBatch = 64;
// More than any message of a family that this is used with; what is longer is cut, and its length says so.
constexpr size_t kDatagram = 64 * 1024;

Napi::Function NetlinkSocket::Define(Napi::Env env) {
  return DefineClass(env, "NetlinkSocket",
                     {
                         InstanceMethod<&NetlinkSocket::Start>("start"),
                         InstanceMethod<&NetlinkSocket::Join>("join"),
                         InstanceMethod<&NetlinkSocket::Send>("send"),
                         InstanceMethod<&NetlinkSocket::Close>("close"),
                     });
}

// new NetlinkSocket(receiveBufferBytes)
NetlinkSocket::NetlinkSocket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NetlinkSocket>(info), buffer_(kDatagram) {
  int receive_buffer;
  if (!IntArgument(info, 0, "receiveBuffer", &receive_buffer)) return;
  if (Open(info.Env(), receive_buffer) && StartPoll(info.Env())) {
    Ref();
    return;
  }
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

NetlinkSocket::~NetlinkSocket() = default;

bool NetlinkSocket::Open(Napi::Env env, int receive_buffer) {
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
  if (fd_ < 0) return ThrowSystemError(env, errno, "socket", "netlink"), false;
  // FORCE takes CAP_NET_ADMIN; without it, what net.core.rmem_max allows.
  if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) < 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  // A full buffer must not stop what follows (NO_ENOBUFS); whoever sent the lost message is told (BROADCAST_ERROR), and
  // does not wait for an answer to what nobody heard. The socket's own count of drops tells us.
  const int on = 1;
  setsockopt(fd_, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  setsockopt(fd_, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &on, sizeof on);
  sockaddr_nl self = {};
  self.nl_family = AF_NETLINK;
  if (bind(fd_, reinterpret_cast<sockaddr*>(&self), sizeof self) < 0) return ThrowSystemError(env, errno, "bind", "netlink"), false;
  return true;
}

bool NetlinkSocket::StartPoll(Napi::Env env) {
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  Poll* poll = new Poll{};
  int error = uv_poll_init(loop, &poll->handle, fd_);
  if (error < 0) {
    delete poll;
    return ThrowSystemError(env, -error, "poll", "netlink"), false;
  }
  poll->handle.data = poll;
  poll->owner = this;
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* arg) { static_cast<Poll*>(arg)->owner->Shut(); }, poll, &poll->hook);
  poll_ = poll;
  return true;
}

// start(onDatagrams, onError): onDatagrams(list, overrun) once a wake-up; `overrun` when messages were lost before these.
void NetlinkSocket::Start(const Napi::CallbackInfo& info) {
  if (poll_ == nullptr) return ThrowSystemError(info.Env(), EBADF, "start", "netlink");
  if (!info[0].IsFunction() || !info[1].IsFunction()) return ThrowTypeError(info.Env(), "start(onDatagrams, onError) takes two functions");
  on_datagrams_ = Napi::Persistent(info[0].As<Napi::Function>());
  on_error_ = Napi::Persistent(info[1].As<Napi::Function>());
  int error = uv_poll_start(&poll_->handle, UV_READABLE, [](uv_poll_t* handle, int, int) {
    static_cast<Poll*>(handle->data)->owner->OnReadable();
  });
  if (error < 0) ThrowSystemError(info.Env(), -error, "poll", "netlink");
}

void NetlinkSocket::OnReadable() {
  Napi::Env env = Env();
  Napi::HandleScope scope(env);
  Napi::Array list = Napi::Array::New(env);
  int result = 1;
  bool lost = false;
  while (result > 0 && list.Length() < kBatch) {
    result = Receive(env, list);
    if (result == -ENOBUFS) lost = true, result = 1;
  }
  if (result < 0) {
    uv_poll_stop(&poll_->handle);
    return CallBack(env, on_error_, {SystemError(env, -result, "recvfrom", "netlink").Value()});
  }
  lost = Dropped() || lost;
  if (list.Length() > 0 || lost) CallBack(env, on_datagrams_, {list, Napi::Boolean::New(env, lost)});
}

int NetlinkSocket::Receive(Napi::Env env, Napi::Array list) {
  sockaddr_nl from = {};
  socklen_t length = sizeof from;
  ssize_t n = recvfrom(fd_, buffer_.data(), buffer_.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (n < 0) return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
  // Port 0 is the kernel; any process may send to ours.
  if (from.nl_pid != 0) return 1;
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, static_cast<size_t>(n));
  memcpy(bytes.Data(), buffer_.data(), static_cast<size_t>(n));
  list.Set(list.Length(), bytes);
  return 1;
}

bool NetlinkSocket::Dropped() {
  uint32_t info[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof info;
  if (getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, info, &length) < 0 || length < sizeof info) return false;
  bool more = info[SK_MEMINFO_DROPS] != drops_;
  drops_ = info[SK_MEMINFO_DROPS];
  return more;
}

void NetlinkSocket::Join(const Napi::CallbackInfo& info) {
  int group;
  if (!IntArgument(info, 0, "group", &group)) return;
  if (setsockopt(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
    ThrowSystemError(info.Env(), errno, "setsockopt", "netlink");
  }
}

void NetlinkSocket::Send(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return ThrowTypeError(info.Env(), "send(bytes) takes a Uint8Array");
  }
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  ssize_t n;
  do n = sendto(fd_, bytes.Data(), bytes.ByteLength(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  while (n < 0 && errno == EINTR);
  if (n < 0) ThrowSystemError(info.Env(), errno, "sendto", "netlink");
}

void NetlinkSocket::Close(const Napi::CallbackInfo&) {
  Shut();
}

// Twice is fine.
void NetlinkSocket::Shut() {
  if (poll_ == nullptr) return;
  Poll* poll = poll_;
  poll_ = nullptr;
  uv_poll_stop(&poll->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), [](uv_handle_t* handle) {
    Poll* poll = static_cast<Poll*>(handle->data);
    napi_remove_async_cleanup_hook(poll->hook);
    delete poll;
  });
  close(fd_);
  fd_ = -1;
  on_datagrams_.Reset();
  on_error_.Reset();
  Unref();
}

}  // namespace tcmu
