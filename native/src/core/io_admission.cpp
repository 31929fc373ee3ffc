#include "io_engine.h"

#include <sys/resource.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "errors.h"

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
constexpr double kMaxSafe = 9007199254740991.0;

// submit(n): begin rows 0..n-1 (the results of those that need no waiting are in the table on return), and hand
// everything that waits to the backend. Returns how many of the n rows are pending.
Napi::Value IoEngine::Submit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int rows;
  if (!IntArgument(info, 0, "rows", &rows)) return env.Undefined();
  if (rows > table_.rows) return ThrowTypeError(env, "more rows than the table has"), env.Undefined();
  int pending = 0;
  bytes_left_ = kMaxBytesPerBatch;
  blocking_ns_left_ = kMaxNsBlockingPerBatch;
  sleeps_before_ = -1;
  for (int32_t row = 0; row < rows; row++) {
    table_.result[row] = bell_ == nullptr ? -EBADF : Begin(row);
    pending += table_.result[row] == kPending;
  }
  Dispatch();
  return Napi::Number::New(env, pending);
}

double IoEngine::Begin(int32_t row) {
  Job* job = NewJob();
  int error = Fill(*job, row);
  if (error != 0) {
    Recycle(job);
    return error;
  }
  File& file = files_[job->file];
  if (TryNow(*job, file)) {
    double result = static_cast<double>(job->result);
    Recycle(job);
    return result;
  }
  if (in_flight_++ == 0) bell_->Ref();
  if (job->op == Op::kClose) {
    file.closing = job;
    file.fd = -1;
    if (file.in_flight == 0) waiting_.Push(job);
  } else {
    file.in_flight++;
    if (job->area >= 0) areas_[job->area].in_flight++;
    waiting_.Push(job);
  }
  return kPending;
}

// Take a row over into a job, checking all of it: 0 or a negative errno.
int IoEngine::Fill(Job& job, int32_t row) {
  int32_t op = table_.op[row];
  int32_t file = table_.file[row];
  double offset = table_.offset[row];
  double length = table_.length[row];
  if (op < 0 || op >= static_cast<int32_t>(Op::kCount)) return -EINVAL;
  if (file < 0 || static_cast<size_t>(file) >= files_.size()) return -EBADF;
  if (files_[file].fd < 0 || files_[file].closing != nullptr) return -EBADF;
  if (!(offset >= 0 && offset <= kMaxSafe && length >= 0 && length <= kMaxSafe - offset)) return -EINVAL;
  if (std::floor(offset) != offset || std::floor(length) != length) return -EINVAL;
  job.op = static_cast<Op>(op);
  job.fd = files_[file].fd;
  job.file = file;
  job.area = -1;
  job.asynchronous = false;
  job.direct = files_[file].direct.offset;
  job.durable = (table_.flags[row] & kFlagSync) != 0;
  // Durable ones wait for the medium without the lock, and share what they wait for.
  job.alone = job.op == Op::kWritev && !job.durable && job.direct == 0 && files_[file].regular;
  job.offset = static_cast<int64_t>(offset);
  job.length = static_cast<int64_t>(length);
  job.token = table_.token[row];
  job.result = 0;
  job.iov.clear();
  job.at = 0;
  job.bounce.reset();
  job.scattered.clear();
  return job.op == Op::kReadv || job.op == Op::kWritev ? FillMemory(job, row) : 0;
}

int IoEngine::FillMemory(Job& job, int32_t row) {
  int32_t slot = table_.area[row];
  int32_t first = table_.iov_first[row];
  int32_t count = table_.iov_count[row];
  if (slot < 0 || static_cast<size_t>(slot) >= areas_.size() || areas_[slot].removed) return -EFAULT;
  if (first < 0 || count < 0 || count > table_.iovs - first) return -EINVAL;
  const Area& area = areas_[slot];
  int64_t total = 0;
  for (int32_t i = first; i < first + count; i++) {
    double from = table_.iov_offset[i];
    double size = table_.iov_length[i];
    if (!(from >= 0 && size >= 0 && from + size <= static_cast<double>(area.size))) return -EFAULT;
    if (size == 0) continue;
    uint8_t* at = area.data + static_cast<size_t>(from);
    size_t bytes = static_cast<size_t>(size);
    total += static_cast<int64_t>(bytes);
    if (!job.iov.empty()) {
      iovec& last = job.iov.back();
      if (static_cast<uint8_t*>(last.iov_base) + last.iov_len == at) {
        last.iov_len += bytes;
        continue;
      }
    }
    job.iov.push_back({at, bytes});
  }
  job.area = slot;
  job.length = total;
  if (job.direct == 0 || total == 0) return 0;
  job.asynchronous = true;
  return Align(job, files_[job.file].direct);
}

bool IoEngine::TryNow(Job& job, File& file) {
  if (job.op != Op::kReadv && job.op != Op::kWritev) return false;
  if (job.iov.empty()) return true;
  // Direct I/O always waits for the device, RWF_NOWAIT or not.
  if (job.direct != 0 || job.durable) return false;
  bool write = job.op == Op::kWritev;
  bool& possible = write ? file.nowait_write : file.nowait_read;
  if (!possible && write && !file.in_memory) return TryBlocking(job, file);
  if (job.length > kMaxBytesAtOnce || job.length > bytes_left_ || (!possible && !file.in_memory)) return false;
  bytes_left_ -= job.length;
  if (file.in_memory) return Run(job), true;
  Outcome outcome = RunWithoutWaiting(job);
  if (outcome == Outcome::kUnsupported) possible = false;
  job.asynchronous = write || outcome == Outcome::kWouldBlock;
  return outcome == Outcome::kDone;
}

// How often this thread gave its processor up to wait for something. One that was taken from it was not the write's doing.
static long Sleeps() {
  rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

// Where the file system cannot say whether a write would wait, small ones are made here: into the page cache each takes a few
// us. One that did wait (too many dirty pages, a slow file system) sends those after it away, for a hundred times as long. Writes
// under way hold the file's lock, so that one made here would wait for them.
bool IoEngine::TryBlocking(Job& job, File& file) {
  job.asynchronous = true;
  if (job.length > kMaxBytesBlocking || file.in_flight > 0 || blocking_ns_left_ <= 0) return false;
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
