#pragma once
#include <napi.h>

#include <cstdint>
#include <set>

namespace tcmu {

// Raised whenever the JavaScript face changes; native/index.ts carries the same number.
constexpr int kAbiVersion = 7;

class IoEngine;

// Everything this environment has open. There is no other state that outlives a call.
struct AddonData {
  std::set<IoEngine*> engines;

  // Waits for I/O on [base, base+size) and makes later submissions on it fail with EFAULT.
  void ForgetMemory(const uint8_t* base, size_t size);
};

Napi::Object DefineDescriptors(Napi::Env env, Napi::Object exports);
Napi::Object DefineSyscalls(Napi::Env env, Napi::Object exports);

}  // namespace tcmu
