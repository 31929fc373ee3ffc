#pragma once
#include <cstdint>

namespace tcmu {

// Whether threads that help to copy save time, by what batches took with them and without: on two processors that nobody else wants 128 KiB take
// 12 us in place of 19; in an emulated machine, where waking one is dear and its initiator wants the other, 96 in place of 80.
class HelperSaving {
 public:
  // For the next batch: what has been quicker, and the other from time to time.
  bool Together();
  void Took(bool together, int64_t bytes, int64_t nanoseconds);

 private:
  struct Sum {
    double bytes = 0;
    double nanoseconds = 0;
    double each() const { return nanoseconds / bytes; }
  };
  Sum with_;
  Sum without_;
  uint32_t batches_ = 0;
};

}  // namespace tcmu
