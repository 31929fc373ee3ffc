#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "io_bell.h"
#include "io_job.h"
#include "run_delay.h"

namespace tcmu {

// Whether a job that has ended may wait for others, so that they share a wake-up of the event loop. NVMe calls that interrupt coalescing.
// native/index.ts carries the same numbers.
enum class Coalescing { kNever = 0, kWhereScarce = 1, kAlways = 2 };

// What threads have finished and the event loop has not heard of. Where many jobs are under way and processors are scarce, what ends waits a
// part of the time it took for what ends next: throughput is a matter of processor time there. Where they are not, nobody waits.
class CompletionQueue {
 public:
  void Open(Bell* bell, Coalescing coalescing) { bell_ = bell, coalescing_ = coalescing; }
  // On the thread of the loop: these begin.
  void Begin(const JobList& jobs);
  // From any thread. `quiet`: nobody has to be woken for it soon. `in_flight`: jobs that the loop has not settled, this one and all that are in here too.
  void Put(Job* job, bool quiet, const std::atomic<size_t>& in_flight);
  // All of it. What comes from here on rings anew.
  JobList Take();
  bool coalesces() const { return coalesces_; }

 private:
  void RingForQuiet();
  int64_t WaitOf(const Job& job, int64_t now, size_t under_way) const;

  Bell* bell_ = nullptr;
  Coalescing coalescing_ = Coalescing::kNever;
  RunDelay delay_;
  std::atomic<bool> coalesces_{false};

  std::mutex mutex_;
  JobList done_;
  size_t count_ = 0;
  // The bell has been rung for what is in there; or it will ring, at that time.
  bool rung_ = false;
  int64_t due_ = 0;
  // It will ring then for what is quiet, whether or not that has been taken.
  int64_t quiet_due_ = 0;
};

}  // namespace tcmu
