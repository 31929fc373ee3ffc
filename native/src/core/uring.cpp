#include "uring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace tcmu {

using namespace uring;

static uint32_t Acquire(const uint32_t* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static void Release(uint32_t* at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

int Uring::Open(uint32_t submissions, uint32_t completions, int event_fd, uint32_t workers) {
  Params params{};
  params.flags = kSetupCqSize | kSetupSubmitAll | kSetupTaskrunFlag | kSetupSingleIssuer | kSetupDeferTaskrun;
  params.cq_entries = completions;
  // The kernel sets close-on-exec itself.
  fd_ = static_cast<int>(syscall(kSysSetup, submissions, &params));
  if (fd_ < 0) return errno;
  constexpr uint32_t kNeeded = kFeatSingleMmap | kFeatNoDrop | kFeatSubmitStable;
  int error = (params.features & kNeeded) == kNeeded ? Check() : EOPNOTSUPP;
  if (error == 0) error = Map(params);
  if (error == 0 && syscall(kSysRegister, fd_, kRegisterEventfd, &event_fd, 1) < 0) error = errno;
  uint32_t limits[2] = {workers, 0};
  if (error == 0 && syscall(kSysRegister, fd_, kRegisterIowqMaxWorkers, limits, 2) < 0) error = errno;
  if (error != 0) Close();
  return error;
}

// Filters of a container may let the set-up pass and refuse the rest: this tries both.
int Uring::Check() const {
  auto probe = std::make_unique<Probe>();
  memset(probe.get(), 0, sizeof(Probe));
  if (syscall(kSysRegister, fd_, kRegisterProbe, probe.get(), 256) < 0) return errno;
  if (syscall(kSysEnter, fd_, 0, 0, kEnterGetEvents, nullptr, 0) < 0) return errno;
  for (uint8_t op : {kOpReadv, kOpWritev, kOpRead, kOpWrite}) {
    if (op >= probe->ops_len || !(probe->ops[op].flags & kProbeSupported)) return EOPNOTSUPP;
  }
  return 0;
}

int Uring::Map(const Params& params) {
  entries_ = params.sq_entries;
  rings_size_ = std::max<size_t>(params.sq.array + params.sq_entries * sizeof(uint32_t), params.cq.cqes + params.cq_entries * sizeof(Cqe));
  sqes_size_ = params.sq_entries * sizeof(Sqe);
  void* rings = mmap(nullptr, rings_size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, kMapRings);
  if (rings == MAP_FAILED) return errno;
  rings_ = static_cast<uint8_t*>(rings);
  void* sqes = mmap(nullptr, sqes_size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, kMapSqes);
  if (sqes == MAP_FAILED) return errno;
  sqes_ = static_cast<Sqe*>(sqes);
  auto word = [this](uint32_t offset) { return reinterpret_cast<uint32_t*>(rings_ + offset); };
  sq_head_ = word(params.sq.head);
  sq_tail_ = word(params.sq.tail);
  sq_flags_ = word(params.sq.flags);
  cq_head_ = word(params.cq.head);
  cq_tail_ = word(params.cq.tail);
  cq_flags_ = word(params.cq.flags);
  cq_mask_ = *word(params.cq.ring_mask);
  cqes_ = reinterpret_cast<const Cqe*>(rings_ + params.cq.cqes);
  for (uint32_t i = 0; i < entries_; i++) word(params.sq.array)[i] = i;
  return 0;
}

void Uring::Close() {
  if (sqes_ != nullptr) munmap(sqes_, sqes_size_);
  if (rings_ != nullptr) munmap(rings_, rings_size_);
  if (fd_ >= 0) close(fd_);
  sqes_ = nullptr;
  rings_ = nullptr;
  fd_ = -1;
}

Sqe* Uring::Next() {
  if (tail_ - Acquire(sq_head_) == entries_) return nullptr;
  Sqe* sqe = &sqes_[tail_++ & (entries_ - 1)];
  memset(sqe, 0, sizeof(Sqe));
  return sqe;
}

int Uring::Submit() {
  Release(sq_tail_, tail_);
  for (;;) {
    uint32_t left = tail_ - Acquire(sq_head_);
    if (left == 0) return 0;
    long taken = syscall(kSysEnter, fd_, left, 0, 0, nullptr, 0);
    if (taken == 0) return EAGAIN;
    if (taken < 0 && errno != EINTR) return errno;
  }
}

uint64_t Uring::Withdraw() {
  uint32_t head = Acquire(sq_head_);
  if (head == tail_) return 0;
  tail_--;
  Release(sq_tail_, tail_);
  return sqes_[tail_ & (entries_ - 1)].user_data;
}

void Uring::Enter(uint32_t wait) {
  // EINTR and a queue of completions that is full come back soon; the caller looks at what there is.
  (void)syscall(kSysEnter, fd_, 0, wait, kEnterGetEvents, nullptr, 0);
}

bool Uring::Pop(Cqe* cqe) {
  uint32_t head = *cq_head_;
  if (head == Acquire(cq_tail_)) return false;
  *cqe = cqes_[head & cq_mask_];
  Release(cq_head_, head + 1);
  return true;
}

bool Uring::Ready() const {
  return *cq_head_ != Acquire(cq_tail_) || (Acquire(sq_flags_) & (kSqTaskrun | kSqCqOverflow)) != 0;
}

void Uring::Quiet(bool quiet) {
  __atomic_store_n(cq_flags_, quiet ? kCqEventfdDisabled : 0, __ATOMIC_SEQ_CST);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

}  // namespace tcmu
