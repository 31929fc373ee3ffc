#include "completion_queue.h"

#include <algorithm>
#include <ctime>

namespace tcmu {

namespace {

// Fewer that are still under way are not worth waiting for.
constexpr size_t kCrowd = 15;
// One part in so many of the time a job took: with 32 under way, eight more are told of with it on average. Measured with a cluster in memory on
// the same two processors, wake-ups of the loop for a write of 4 KiB at depth 32: 0.55 without, 0.27 with an eighth, 0.23 with a quarter.
constexpr int64_t kPart = 4;
// Nanoseconds: whatever it took; and less is less than arming the timer costs.
constexpr int64_t kLongest = 2'000'000;
constexpr int64_t kShortest = 10'000;
// What is quiet is told of within that time.
constexpr int64_t kQuiet = 10'000'000;

// Nanoseconds of the monotonic clock.
int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void CompletionQueue::Begin(const JobList& jobs) {
  if (coalescing_ == Coalescing::kNever) return;
  const int64_t now = Now();
  coalesces_ = coalescing_ == Coalescing::kAlways || delay_.Scarce(now);
  for (Job* job = jobs.head; job != nullptr; job = job->next) job->begun = now;
}

int64_t CompletionQueue::WaitOf(const Job& job, int64_t now, size_t under_way) const {
  return now == 0 || under_way < kCrowd ? 0 : std::min(kLongest, (now - job.begun) / kPart);
}

void CompletionQueue::Put(Job* job, bool quiet, const std::atomic<size_t>& in_flight) {
  const int64_t now = coalesces_ ? Now() : 0;
  std::unique_lock<std::mutex> lock(mutex_);
  done_.Push(job);
  count_++;
  if (rung_) return;
  if (quiet) return RingForQuiet();
  const int64_t wait = WaitOf(*job, now, in_flight - count_);
  if (wait < kShortest) {
    rung_ = true;
    bell_->Ring();
  } else if (due_ == 0 || now + wait < due_) {
    due_ = now + wait;
    quiet_due_ = 0;
    bell_->RingIn(wait);
  }
}

// JavaScript mostly has it before that time, since it is awake for something else. The timer is not set anew for each: that is a system call.
void CompletionQueue::RingForQuiet() {
  const int64_t now = Now();
  if (due_ != 0 || now < quiet_due_) return;
  quiet_due_ = now + kQuiet;
  bell_->RingIn(kQuiet);
}

JobList CompletionQueue::Take() {
  std::unique_lock<std::mutex> lock(mutex_);
  rung_ = false;
  count_ = 0;
  due_ = 0;
  return done_.Take();
}

}  // namespace tcmu
