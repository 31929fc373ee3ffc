#pragma once
#include <napi.h>

#include "memory_users.h"

namespace tcmu {

// Raised whenever the JavaScript face changes; native/index.ts carries the same number.
constexpr int kAbiVersion = 12;

// Everything this environment has open. There is no other state that outlives a call.
struct AddonData {
  MemoryUsers memory_users;
};

// Only where the processor has an instruction for it.
void DefineCrc32c(Napi::Env env, Napi::Object exports);
Napi::Object DefineDescriptors(Napi::Env env, Napi::Object exports);
Napi::Object DefineSyscalls(Napi::Env env, Napi::Object exports);

}  // namespace tcmu
