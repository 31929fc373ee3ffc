#include "io_engine.h"

#include <cerrno>
#include <cmath>

#include "errors.h"

namespace tcmu {

constexpr double kMaxSafe = 9007199254740991.0;

// submit(n): begin rows 0..n-1 (the results of those that need no waiting are in the table on return), and hand
// everything that waits to the backend. Returns how many of the n rows are pending.
Napi::Value IoEngine::Submit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int rows;
  if (!IntArgument(info, 0, "rows", &rows)) return env.Undefined();
  if (rows > table_.rows) return ThrowTypeError(env, "more rows than the table has"), env.Undefined();
  int pending = 0;
  if (medium_ != nullptr) medium_->BeginBatch();
  for (int32_t row = 0; row < rows; row++) {
    table_.result[row] = bell_ == nullptr ? -EBADF : Begin(row, Continues(row) || (row + 1 < rows && Continues(row + 1)));
    pending += table_.result[row] == kPending;
  }
  if (!together_.empty()) pending += FinishTogether();
  Dispatch();
  return Napi::Number::New(env, pending);
}

// Whether a row goes on where the one before it ends.
bool IoEngine::Continues(int32_t row) const {
  int32_t before = row - 1;
  return row > 0 && table_.op[row] == table_.op[before] && table_.file[row] == table_.file[before] && table_.flags[row] == table_.flags[before] &&
         table_.offset[row] == table_.offset[before] + table_.length[before];
}

double IoEngine::Begin(int32_t row, bool in_line) {
  Job* job = NewJob();
  int error = Fill(*job, row);
  if (error != 0) {
    Recycle(job);
    return error;
  }
  Slot& slot = slots_[job->file];
  bool transfer = job->op == Op::kReadv || job->op == Op::kWritev;
  Attempt attempt = !transfer ? Attempt::kWaits : job->iov.empty() ? Attempt::kDone : medium_->TryNow(*job, slot.in_flight == 0, in_line);
  if (attempt == Attempt::kTogether) {
    job->row = row;
    // A close in the same batch waits for it.
    slot.in_flight++;
    together_.push_back(job);
    return kTogether;
  }
  return attempt == Attempt::kDone ? End(job) : Launch(job);
}

double IoEngine::End(Job* job) {
  double result = static_cast<double>(job->result);
  Recycle(job);
  return result;
}

// Transfers that are done together are done before `submit` returns; how many of them have to wait all the same.
int IoEngine::FinishTogether() {
  int pending = 0;
  medium_->FinishBatch(together_.data(), together_.size());
  for (Job* job : together_) {
    int32_t row = job->row;
    Slot& slot = slots_[job->file];
    slot.in_flight--;
    table_.result[row] = job->waits ? Launch(job) : End(job);
    if (slot.in_flight == 0 && slot.closing != nullptr) Queue(slot.closing);
    pending += table_.result[row] == kPending;
  }
  together_.clear();
  return pending;
}

double IoEngine::Launch(Job* job) {
  Slot& slot = slots_[job->file];
  if (in_flight_++ == 0) bell_->Ref();
  if (job->op == Op::kClose) {
    slot.closing = job;
    if (slot.in_flight == 0) Queue(job);
  } else {
    slot.in_flight++;
    if (job->area >= 0) areas_[job->area].in_flight++;
    Queue(job);
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
  if (file < 0 || static_cast<size_t>(file) >= slots_.size()) return -EBADF;
  if (!slots_[file].open || slots_[file].closing != nullptr) return -EBADF;
  if (!(offset >= 0 && offset <= kMaxSafe && length >= 0 && length <= kMaxSafe - offset)) return -EINVAL;
  if (std::floor(offset) != offset || std::floor(length) != length) return -EINVAL;
  job.op = static_cast<Op>(op);
  job.file = file;
  job.area = -1;
  job.asynchronous = false;
  job.in_lane = false;
  job.durable = (table_.flags[row] & kFlagSync) != 0;
  job.offset = static_cast<int64_t>(offset);
  job.length = static_cast<int64_t>(length);
  job.token = table_.token[row];
  job.result = 0;
  job.turn = 0;
  job.iov.clear();
  job.at = 0;
  int error = HasMemory(job.op) ? FillMemory(job, row) : 0;
  return error != 0 ? error : medium_->Fill(job);
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
  job.answer = area.answer.get();
  job.turn = job.answer == nullptr || medium_->lands() ? 0 : table_.turn[row];
  // One block stands for the whole range.
  if (job.op != Op::kWriteSame) job.length = total;
  return 0;
}

}  // namespace tcmu
