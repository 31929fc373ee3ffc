#include <napi.h>

#include <cstring>

#include "addon.h"
#include "errors.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define WITH_CRC __attribute__((target("sse4.2")))
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define WITH_CRC __attribute__((target("+crc")))
#endif

namespace tcmu {

#ifdef WITH_CRC

#if defined(__x86_64__)
static bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
WITH_CRC static inline uint32_t Eight(uint32_t crc, uint64_t bytes) { return static_cast<uint32_t>(_mm_crc32_u64(crc, bytes)); }
WITH_CRC static inline uint32_t One(uint32_t crc, uint8_t byte) { return _mm_crc32_u8(crc, byte); }
#else
static bool HasInstruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
WITH_CRC static inline uint32_t Eight(uint32_t crc, uint64_t bytes) { return __crc32cd(crc, bytes); }
WITH_CRC static inline uint32_t One(uint32_t crc, uint8_t byte) { return __crc32cb(crc, byte); }
#endif

// Both instructions take their operand lowest byte first, as RFC 7143 13.1 sends the digest.
WITH_CRC static uint32_t Crc32c(uint32_t crc, const uint8_t* at, size_t length) {
  crc = ~crc;
  for (; length >= sizeof(uint64_t); at += sizeof(uint64_t), length -= sizeof(uint64_t)) {
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    crc = Eight(crc, bytes);
  }
  for (; length > 0; at++, length--) crc = One(crc, *at);
  return ~crc;
}

// crc32c(crc, bytes, from, to)
static Napi::Value Crc(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  double crc;
  int from, to;
  if (!SizeArgument(info, 0, "crc", &crc) || !IntArgument(info, 2, "from", &from) || !IntArgument(info, 3, "to", &to)) return env.Undefined();
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return ThrowTypeError(env, "crc32c takes a Uint8Array"), env.Undefined();
  }
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  if (crc > UINT32_MAX || from > to || static_cast<size_t>(to) > bytes.ElementLength()) {
    return ThrowTypeError(env, "crc32c takes a CRC of 32 bits and a range of the bytes"), env.Undefined();
  }
  return Napi::Number::New(env, Crc32c(static_cast<uint32_t>(crc), bytes.Data() + from, static_cast<size_t>(to - from)));
}

#else
static bool HasInstruction() { return false; }
static Napi::Value Crc(const Napi::CallbackInfo& info) { return info.Env().Undefined(); }
#endif

void DefineCrc32c(Napi::Env env, Napi::Object exports) {
  if (HasInstruction()) exports.Set("crc32c", Napi::Function::New(env, Crc, "crc32c"));
}

}  // namespace tcmu
