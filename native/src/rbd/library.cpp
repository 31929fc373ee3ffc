#include "library.h"

#include <mutex>

#include "../core/dynamic_library.h"

namespace tcmu::rbd {

Rados rados;
Rbd rbd;

#define TCMU_SYMBOL(prefix, object, name, optional) {prefix #name, reinterpret_cast<void**>(&object.name), optional},
#define TCMU_RADOS_SYMBOL(result, name, arguments) TCMU_SYMBOL("rados_", rados, name, false)
#define TCMU_RBD_SYMBOL(result, name, arguments) TCMU_SYMBOL("rbd_", rbd, name, false)
#define TCMU_RBD_OPTIONAL_SYMBOL(result, name, arguments) TCMU_SYMBOL("rbd_", rbd, name, true)

std::string Load(const char* rados_file, const char* rbd_file) {
  static std::mutex mutex;
  static bool loaded = false;
  std::unique_lock<std::mutex> lock(mutex);
  if (loaded) return "";
  std::string missing = LoadLibrary(rados_file, {TCMU_RADOS(TCMU_RADOS_SYMBOL)});
  if (missing.empty()) missing = LoadLibrary(rbd_file, {TCMU_RBD(TCMU_RBD_SYMBOL) TCMU_RBD_OPTIONAL(TCMU_RBD_OPTIONAL_SYMBOL)});
  loaded = missing.empty();
  return missing;
}

}  // namespace tcmu::rbd
