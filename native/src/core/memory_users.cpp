#include "memory_users.h"

#include "addon.h"

namespace tcmu {

static const napi_type_tag kTag = {0x746d63755f6d656dull, static_cast<uint64_t>(kAbiVersion)};

Napi::Value MemoryUsers::Lend(Napi::Env env) {
  auto external = Napi::External<MemoryUsers>::New(env, this);
  external.TypeTag(&kTag);
  return external;
}

MemoryUsers* MemoryUsers::Borrow(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  auto external = value.As<Napi::External<MemoryUsers>>();
  return external.CheckTypeTag(&kTag) ? external.Data() : nullptr;
}

}  // namespace tcmu
