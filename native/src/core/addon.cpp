#include "addon.h"

#include "io_engine.h"
#include "netlink_socket.h"
#include "uio_map.h"

namespace tcmu {

void AddonData::ForgetMemory(const uint8_t* base, size_t size) {
  for (IoEngine* engine : engines) engine->ForgetMemory(base, size);
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData());
  exports.Set("abiVersion", Napi::Number::New(env, kAbiVersion));
  exports.Set("UioMap", UioMap::Define(env));
  exports.Set("NetlinkSocket", NetlinkSocket::Define(env));
  exports.Set("IoEngine", IoEngine::Define(env));
  DefineDescriptors(env, exports);
  return DefineSyscalls(env, exports);
}

NODE_API_MODULE(tcmu_core, Init)

}  // namespace tcmu
