#pragma once
#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <set>

namespace tcmu {

class MemoryUser {
 public:
  // Waits for I/O on [base, base+size) and makes later submissions on it fail with EFAULT.
  virtual void ForgetMemory(const uint8_t* base, size_t size) = 0;

 protected:
  ~MemoryUser() = default;
};

// Who may have I/O under way on memory that tcmu_core maps. One an environment; engines of other addons join it through an
// External, which JavaScript only carries.
class MemoryUsers {
 public:
  void Add(MemoryUser* user) { users_.insert(user); }
  void Remove(MemoryUser* user) { users_.erase(user); }
  void Forget(const uint8_t* base, size_t size) {
    for (MemoryUser* user : users_) user->ForgetMemory(base, size);
  }

  Napi::Value Lend(Napi::Env env);
  // nullptr when the value is none of ours, or of an addon of another version.
  static MemoryUsers* Borrow(const Napi::Value& value);

 private:
  std::set<MemoryUser*> users_;
};

}  // namespace tcmu
