// Descriptors from one process to another over a socket of sequenced packets (SCM_RIGHTS).
#include <napi.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "addon.h"
#include "errors.h"

namespace tcmu {

// What one message may carry; a ring takes three.
constexpr size_t kMost = 8;

static Napi::Array ArrayOf(Napi::Env env, const int* fds, size_t count) {
  Napi::Array list = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; i++) list.Set(static_cast<uint32_t>(i), fds[i]);
  return list;
}

// descriptorChannel(): the two ends of a channel.
static Napi::Value DescriptorChannel(const Napi::CallbackInfo& info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return ThrowSystemError(info.Env(), errno, "socketpair"), info.Env().Undefined();
  return ArrayOf(info.Env(), ends, 2);
}

static bool ListArgument(const Napi::CallbackInfo& info, size_t at, std::vector<int>* fds) {
  if (!info[at].IsArray()) return ThrowTypeError(info.Env(), "the descriptors are not a list"), false;
  Napi::Array list = info[at].As<Napi::Array>();
  if (list.Length() == 0 || list.Length() > kMost) return ThrowTypeError(info.Env(), "one to eight descriptors can be sent"), false;
  for (uint32_t i = 0; i < list.Length(); i++) {
    Napi::Value value = list.Get(i);
    if (!value.IsNumber()) return ThrowTypeError(info.Env(), "a descriptor is not a number"), false;
    fds->push_back(value.As<Napi::Number>().Int32Value());
  }
  return true;
}

// sendDescriptors(channel, tag, fds): does not wait; the other end gets duplicates.
static Napi::Value SendDescriptors(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int channel, tag;
  std::vector<int> fds;
  if (!IntArgument(info, 0, "channel", &channel) || !IntArgument(info, 1, "tag", &tag) || !ListArgument(info, 2, &fds)) return env.Undefined();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMost)] = {};
  iovec data = {&tag, sizeof tag};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  if (sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) ThrowSystemError(env, errno, "sendmsg");
  return env.Undefined();
}

// receiveDescriptors(channel): { tag, fds } of the next message; throws EAGAIN when there is none.
static Napi::Value ReceiveDescriptors(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int channel, tag = 0;
  if (!IntArgument(info, 0, "channel", &channel)) return env.Undefined();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMost)];
  iovec data = {&tag, sizeof tag};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return ThrowSystemError(env, errno, "recvmsg"), env.Undefined();
  int fds[kMost];
  size_t count = 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(header), count * sizeof(int));
  }
  if (got != sizeof tag || count == 0) return ThrowSystemError(env, got == 0 ? EPIPE : EBADMSG, "recvmsg"), env.Undefined();
  Napi::Object result = Napi::Object::New(env);
  result.Set("tag", tag);
  result.Set("fds", ArrayOf(env, fds, count));
  return result;
}

Napi::Object DefineDescriptors(Napi::Env env, Napi::Object exports) {
  exports.Set("descriptorChannel", Napi::Function::New<DescriptorChannel>(env, "descriptorChannel"));
  exports.Set("sendDescriptors", Napi::Function::New<SendDescriptors>(env, "sendDescriptors"));
  exports.Set("receiveDescriptors", Napi::Function::New<ReceiveDescriptors>(env, "receiveDescriptors"));
  return exports;
}

}  // namespace tcmu
