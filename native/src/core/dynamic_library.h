#pragma once
#include <string>
#include <vector>

namespace tcmu {

// A function of a shared library, looked up by name when the library is loaded.
struct Symbol {
  const char* name;
  void** address;
  bool optional;
};

// Loads `file` for good and finds its symbols: empty, or what is missing.
std::string LoadLibrary(const char* file, const std::vector<Symbol>& symbols);

}  // namespace tcmu
