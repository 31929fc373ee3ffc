#include <cerrno>
#include <vector>

#include "image.h"

namespace tcmu::rbd {

int ImageSession::IsLockOwner(const Texts&, Texts* results) {
  int owner = 0;
  int result = rbd.is_exclusive_lock_owner(image_, &owner);
  *results = {owner ? "1" : ""};
  return result;
}

int ImageSession::AcquireLock(const Texts&, Texts*) { return rbd.lock_acquire(image_, kExclusive); }

int ImageSession::ReleaseLock(const Texts&, Texts*) { return rbd.lock_release(image_); }

int ImageSession::BreakLock(const Texts& arguments, Texts*) { return rbd.lock_break(image_, kExclusive, arguments[0].c_str()); }

// The mode, and who has it.
int ImageSession::LockOwners(const Texts&, Texts* results) {
  constexpr size_t kMaxOwners = 1024;
  size_t count = 8;
  int mode = 0, result;
  std::vector<char*> owners;
  do {
    owners.assign(count, nullptr);
    result = rbd.lock_get_owners(image_, &mode, owners.data(), &count);
  } while (result == -ERANGE && count <= kMaxOwners);
  if (result < 0) return result;
  results->push_back(std::to_string(mode));
  for (size_t i = 0; i < count; i++) results->emplace_back(owners[i]);
  rbd.lock_get_owners_cleanup(owners.data(), count);
  return 0;
}

int ImageSession::GetMetadata(const Texts& arguments, Texts* results) {
  constexpr size_t kMaxValue = 1 << 20;
  size_t size = 1024;
  std::string value;
  int result;
  do {
    value.assign(size + 1, '\0');
    result = rbd.metadata_get(image_, arguments[0].c_str(), value.data(), &size);
  } while (result == -ERANGE && size > value.size() - 1 && size <= kMaxValue);
  // The size is not always that of the value; its zero byte is there.
  *results = {value.c_str()};
  return result;
}

int ImageSession::SetMetadata(const Texts& arguments, Texts*) {
  return rbd.metadata_set(image_, arguments[0].c_str(), arguments[1].c_str());
}

int ImageSession::RemoveMetadata(const Texts& arguments, Texts*) { return rbd.metadata_remove(image_, arguments[0].c_str()); }

}  // namespace tcmu::rbd
