#pragma once
#include <cstdint>

namespace tcmu {

// Whether processors are scarce: of the time that a thread could have run, how much it waited for one (the scheduler's own statistics of it).
class RunDelay {
 public:
  RunDelay() = default;
  ~RunDelay();
  RunDelay(const RunDelay&) = delete;
  RunDelay& operator=(const RunDelay&) = delete;
  // On the thread itself. `now` in nanoseconds of the monotonic clock: it looks from time to time only. False where nothing is known.
  bool Scarce(int64_t now);

 private:
  bool Look();

  int fd_ = -1;
  bool opened_ = false;
  int64_t next_ = 0;
  uint64_t ran_ = 0;
  uint64_t waited_ = 0;
  bool scarce_ = false;
};

}  // namespace tcmu
