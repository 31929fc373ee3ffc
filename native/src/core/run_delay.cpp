#include "run_delay.h"

#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>

namespace tcmu {

namespace {

// Nanoseconds between two looks: one is a system call that formats a line, some 2 us.
constexpr int64_t kEvery = 50'000'000;
// Nanoseconds of running and waiting that say something.
constexpr uint64_t kLeast = 1'000'000;
// Waiting for a quarter of that: 0.45 to 0.6 with a cluster on the same two processors at depth 32, 0.1 to 0.2 at depth 1.
constexpr uint64_t kScarcePart = 4;

}  // namespace

RunDelay::~RunDelay() {
  if (fd_ >= 0) close(fd_);
}

bool RunDelay::Scarce(int64_t now) {
  if (now < next_) return scarce_;
  next_ = now + kEvery;
  if (!opened_) {
    opened_ = true;
    fd_ = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  }
  return scarce_ = fd_ >= 0 && Look();
}

// "ran waited slices", nanoseconds (Documentation/scheduler/sched-stats.rst).
bool RunDelay::Look() {
  char text[96];
  ssize_t size = pread(fd_, text, sizeof(text) - 1, 0);
  if (size <= 0) return false;
  text[size] = '\0';
  uint64_t ran, waited;
  if (sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &waited) != 2) return false;
  const uint64_t ran_now = ran - ran_, waited_now = waited - waited_;
  ran_ = ran;
  waited_ = waited;
  return ran_now + waited_now >= kLeast && waited_now >= (ran_now + waited_now) / kScarcePart;
}

}  // namespace tcmu
