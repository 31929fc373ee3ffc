#include <sys/resource.h>
#include <uv.h>

#include <algorithm>

#include "file_job.h"
#include "file_medium.h"

namespace tcmu {

// Copying more than this takes longer than handing it to a thread does, and would hold up the event loop.
constexpr int64_t kMaxBytesAtOnce = 128 * 1024;
// The same for one batch as a whole: what is left goes to the threads, which copy side by side.
constexpr int64_t kMaxBytesPerBatch = 4 * 1024 * 1024;
// A write that may wait, made at once all the same: at most this much, and not again soon when it took this long.
constexpr int64_t kMaxBytesBlocking = 16 * 1024;
// Of one batch; some 50 writes of 4 KiB.
constexpr int64_t kMaxNsBlockingPerBatch = 200 * 1000;
constexpr uint64_t kSlowNs = 300 * 1000;
constexpr uint64_t kSlowPauseNs = 1000 * 1000 * 1000;

void FileMedium::BeginBatch() {
  bytes_left_ = kMaxBytesPerBatch;
  blocking_ns_left_ = kMaxNsBlockingPerBatch;
  sleeps_before_ = -1;
}

// Smaller ones that follow each other in the file are one system call, and as much of the event loop's time as a larger one may take.
constexpr int64_t kMaxBytesJoined = kMaxBytesAtOnce;
// Larger reads of one batch are done together by several threads.
constexpr int64_t kMinBytesTogether = 16 * 1024;
constexpr int64_t kMinBytesOfAllTogether = 128 * 1024;

Attempt FileMedium::TryNow(Job& job, bool alone, bool in_line) {
  File& file = files_[job.file];
  // Direct I/O always waits for the device, RWF_NOWAIT or not.
  if (job.direct != 0 || job.durable) return Attempt::kWaits;
  bool write = job.op == Op::kWritev;
  bool& possible = write ? file.nowait_write : file.nowait_read;
  if (!possible && write && !file.in_memory) return TryBlocking(job, file, alone) ? Attempt::kDone : Attempt::kWaits;
  if (job.length > kMaxBytesAtOnce || job.length > bytes_left_ || (!possible && !file.in_memory)) return Attempt::kWaits;
  bytes_left_ -= job.length;
  job.nowait = !file.in_memory;
  // Larger writes of one file would only spin for the lock of its inode.
  if (job.length < kMinBytesTogether ? in_line : !write) return Attempt::kTogether;
  Try(job);
  if (job.waits) Waits(job);
  return job.waits ? Attempt::kWaits : Attempt::kDone;
}

// On any thread.
void FileMedium::Try(Job& job) {
  job.waits = false;
  job.unsupported = false;
  if (!job.nowait) return Run(job);
  Outcome outcome = RunWithoutWaiting(job);
  job.waits = outcome != Outcome::kDone;
  job.unsupported = outcome == Outcome::kUnsupported;
}

void FileMedium::Waits(Job& job) {
  File& file = files_[job.file];
  bool write = job.op == Op::kWritev;
  if (job.unsupported) (write ? file.nowait_write : file.nowait_read) = false;
  job.asynchronous = write || !job.unsupported;
}

static bool Joins(const Job& before, const Job& job) {
  return job.length < kMinBytesTogether && before.length < kMinBytesTogether && job.fd == before.fd && job.op == before.op && job.nowait == before.nowait &&
         job.offset == before.offset + before.length;
}

// How many at the beginning of the list follow each other in the file.
static size_t InLine(Job* const* jobs, size_t count) {
  size_t joined = 1;
  int64_t bytes = jobs[0]->length;
  while (joined < count && Joins(*jobs[joined - 1], *jobs[joined]) && bytes + jobs[joined]->length <= kMaxBytesJoined) bytes += jobs[joined++]->length;
  return joined;
}

// Do them as one; false: something is in the way of one of them at least.
bool FileMedium::TryJoined(Job* const* jobs, size_t count) {
  joined_.op = jobs[0]->op;
  joined_.fd = jobs[0]->fd;
  joined_.nowait = jobs[0]->nowait;
  joined_.offset = jobs[0]->offset;
  joined_.at = 0;
  joined_.iov.clear();
  for (size_t i = 0; i < count; i++) joined_.iov.insert(joined_.iov.end(), jobs[i]->iov.begin(), jobs[i]->iov.end());
  Try(joined_);
  return !joined_.waits && joined_.result == 0;
}

void FileMedium::FinishBatch(Job* const* jobs, size_t count) {
  apart_.clear();
  int64_t bytes = 0;
  for (size_t i = 0; i < count;) {
    size_t end = i + InLine(jobs + i, count - i);
    bool done = end - i > 1 && TryJoined(jobs + i, end - i);
    for (; i < end; i++) {
      jobs[i]->waits = false;
      if (done) continue;
      apart_.push_back(jobs[i]);
      bytes += jobs[i]->length;
    }
  }
  if (apart_.size() > 1 && bytes >= kMinBytesOfAllTogether) {
    crew_.Run(apart_.data(), apart_.size(), Try);
  } else {
    for (Job* job : apart_) Try(*job);
  }
  for (Job* job : apart_) {
    if (job->waits) Waits(*job);
  }
}

// How often this thread gave its processor up to wait for something. One that was taken from it was not the write's doing.
static long Sleeps() {
  rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

// Where the file system cannot say whether a write would wait, small ones are made here: into the page cache each takes a few
// us. One that did wait (too many dirty pages, a slow file system) sends those after it away, for a hundred times as long. Writes
// under way hold the file's lock, so that one made here would wait for them.
bool FileMedium::TryBlocking(Job& job, File& file, bool alone) {
  job.asynchronous = true;
  if (job.length > kMaxBytesBlocking || !alone || blocking_ns_left_ <= 0) return false;
  uint64_t begin = uv_hrtime();
  if (begin < file.blocking_from) return false;
  if (sleeps_before_ < 0) sleeps_before_ = Sleeps();
  Run(job);
  uint64_t took = uv_hrtime() - begin;
  blocking_ns_left_ -= static_cast<int64_t>(took);
  if (took > kSlowNs && Sleeps() != sleeps_before_) file.blocking_from = begin + std::max(kSlowPauseNs, took * 100);
  return true;
}

}  // namespace tcmu
