#include "dynamic_library.h"

#include <dlfcn.h>

namespace tcmu {

std::string LoadLibrary(const char* file, const std::vector<Symbol>& symbols) {
  void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return dlerror();
  for (const Symbol& symbol : symbols) {
    *symbol.address = dlsym(library, symbol.name);
    if (*symbol.address == nullptr && !symbol.optional) return std::string(file) + " has no " + symbol.name;
  }
  return "";
}

}  // namespace tcmu
