#include "uring_backend.h"

#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "file_job.h"

namespace tcmu {

// As many as a batch of the submission table has.
constexpr uint32_t kSubmissions = 256;
// Never more under way than there is room for completions: so none overflows.
constexpr uint32_t kMaxFlying = 1024;
// The kernel finishes some 20 operations a call (Linux 6.13); beyond this many calls the event loop comes first.
constexpr int kMaxRounds = 16;

int UringBackend::Open(size_t threads) {
  int error = ring_.Open(kSubmissions, kMaxFlying, bell_.fd(), static_cast<uint32_t>(threads));
  open_ = error == 0;
  return error;
}

void UringBackend::Submit(JobList jobs, size_t) {
  JobList others;
  size_t count = 0;
  while (Job* job = jobs.Pop()) {
    if (job->asynchronous) {
      backlog_.Push(job);
    } else {
      others.Push(job);
      count++;
    }
  }
  if (count > 0) threads_.Submit(others, count);
  Pump();
}

static void Describe(const Job& job, uring::Sqe* sqe) {
  const iovec* first = &job.iov[job.at];
  size_t count = std::min<size_t>(job.iov.size() - job.at, IOV_MAX);
  bool read = job.op == Op::kReadv;
  sqe->fd = job.fd;
  sqe->offset = static_cast<uint64_t>(job.offset);
  sqe->rw_flags = job.durable && !read ? RWF_DSYNC : 0;
  sqe->user_data = reinterpret_cast<uint64_t>(&job);
  // A length of an operation has 32 bits, and the kernel moves at most INT_MAX rounded down to pages.
  if (count == 1 && first->iov_len <= INT_MAX) {
    sqe->opcode = read ? uring::kOpRead : uring::kOpWrite;
    sqe->address = reinterpret_cast<uint64_t>(first->iov_base);
    sqe->length = static_cast<uint32_t>(first->iov_len);
  } else {
    sqe->opcode = read ? uring::kOpReadv : uring::kOpWritev;
    sqe->address = reinterpret_cast<uint64_t>(first);
    sqe->length = static_cast<uint32_t>(count);
  }
}

// Give the kernel as much of the backlog as there is room for.
void UringBackend::Pump() {
  while (backlog_.head != nullptr && flying_ < kMaxFlying) {
    int error = 0;
    while (backlog_.head != nullptr && flying_ < kMaxFlying) {
      uring::Sqe* sqe = ring_.Next();
      if (sqe == nullptr) break;
      Describe(*backlog_.Pop(), sqe);
      flying_++;
    }
    if ((error = ring_.Submit()) == 0) continue;
    // Out of memory, mostly: slower, but nothing is stuck.
    while (uint64_t job = ring_.Withdraw()) {
      flying_--;
      GiveToThreads(reinterpret_cast<Job*>(job));
    }
  }
}

void UringBackend::GiveToThreads(Job* job) {
  JobList one;
  one.Push(job);
  threads_.Submit(one, 1);
}

void UringBackend::Collect() {
  uring::Cqe cqe;
  while (ring_.Pop(&cqe)) {
    flying_--;
    Finish(reinterpret_cast<Job*>(cqe.user_data), cqe.result);
  }
}

void UringBackend::Finish(Job* job, int32_t result) {
  // The kernel had nobody to wait with.
  if (result == -EAGAIN || result == -ECANCELED) return GiveToThreads(job);
  if (result != -EINTR && Moved(*job, result)) {
    finished_.Push(job);
  } else {
    backlog_.Push(job);
  }
}

void UringBackend::Reap(JobList* finished) {
  if (open_) {
    ring_.Quiet(true);
    for (int round = 0; round < kMaxRounds && ring_.Ready(); round++) {
      ring_.Enter(0);
      Collect();
    }
    ring_.Quiet(false);
    Pump();
    // What came while it was quiet rang no bell.
    if (ring_.Ready()) bell_.Ring();
  }
  finished->Append(finished_.Take());
}

void UringBackend::WaitRing() {
  Pump();
  while (flying_ > 0) {
    ring_.Enter(1);
    Collect();
    Pump();
  }
}

void UringBackend::WaitIdle() {
  WaitRing();
  threads_.WaitIdle();
  if (finished_.head != nullptr) bell_.Ring();
}

void UringBackend::Stop(bool cancel) {
  if (open_) {
    if (cancel) {
      while (Job* job = backlog_.Pop()) {
        job->result = -ECANCELED;
        finished_.Push(job);
      }
    }
    WaitRing();
    ring_.Close();
    open_ = false;
  }
  threads_.Stop(cancel);
}

}  // namespace tcmu
