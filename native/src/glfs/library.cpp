#include "library.h"

#include <dlfcn.h>

#include <cerrno>
#include <mutex>
#include <vector>

#include "../core/dynamic_library.h"

namespace tcmu::glfs {

Library library;

namespace {

Done done;

struct Attributes;
void CalledSince6(File, ssize_t result, Attributes*, Attributes*, void* arg) { done(arg, result, errno); }
void CalledBefore6(File, ssize_t result, void* arg) { done(arg, result, errno); }

struct Versioned {
  const char* name;
  const char* before6;
  void** address;
};

#define TCMU_SYMBOL(result, name, arguments) {#name, reinterpret_cast<void**>(&library.name), false},
#define TCMU_OPTIONAL_SYMBOL(result, name, arguments) {#name, reinterpret_cast<void**>(&library.name), true},
#define TCMU_VERSIONED_SYMBOL(version, name, arguments) {#name, version, reinterpret_cast<void**>(&library.name)},

// All of one age: the name of the first that is missing, or nullptr.
const char* FindVersioned(void* handle, bool since6) {
  static const Versioned kSymbols[] = {TCMU_GLFS_VERSIONED(TCMU_VERSIONED_SYMBOL)};
  for (const Versioned& symbol : kSymbols) {
    *symbol.address = dlvsym(handle, symbol.name, since6 ? "GFAPI_6.0" : symbol.before6);
    if (*symbol.address == nullptr) return symbol.name;
  }
  library.called = since6 ? reinterpret_cast<Callback>(CalledSince6) : reinterpret_cast<Callback>(CalledBefore6);
  return nullptr;
}

}  // namespace

std::string Load(const char* file, bool old, Done on_done) {
  static std::mutex mutex;
  static bool loaded = false;
  std::unique_lock<std::mutex> lock(mutex);
  if (loaded) return "";
  done = on_done;
  std::string missing = LoadLibrary(file, {TCMU_GLFS(TCMU_SYMBOL) TCMU_GLFS_OPTIONAL(TCMU_OPTIONAL_SYMBOL)});
  if (!missing.empty()) return missing;
  void* handle = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
  if (old || FindVersioned(handle, true) != nullptr) {
    const char* name = FindVersioned(handle, false);
    if (name != nullptr) return std::string(file) + " has no " + name;
  }
  loaded = true;
  return "";
}

}  // namespace tcmu::glfs
