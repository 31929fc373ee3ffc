#include "addon.h"

#include "file_medium.h"
#include "io_engine.h"
#include "netlink_socket.h"
#include "uio_map.h"

namespace tcmu {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  AddonData* data = new AddonData();
  env.SetInstanceData(data);
  exports.Set("abiVersion", Napi::Number::New(env, kAbiVersion));
  exports.Set("UioMap", UioMap::Define(env));
  exports.Set("NetlinkSocket", NetlinkSocket::Define(env));
  exports.Set("IoEngine", IoEngine::Define(env, FileMedium::Make));
  exports.Set("memory", data->memory_users.Lend(env));
  DefineCrc32c(env, exports);
  DefineDescriptors(env, exports);
  return DefineSyscalls(env, exports);
}

NODE_API_MODULE(tcmu_core, Init)

}  // namespace tcmu
