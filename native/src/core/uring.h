#pragma once
#include <cstddef>
#include <cstdint>

#include "uring_abi.h"

namespace tcmu {

// One io_uring of one thread: the kernel finishes operations only while that thread enters it (DEFER_TASKRUN, Linux 6.1), so
// completions come in batches and never interrupt JavaScript.
class Uring {
 public:
  Uring() = default;
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;
  ~Uring() { Close(); }

  // 0, or the positive errno that says why there is none: EPERM where it is forbidden, ENOSYS where the kernel has none,
  // EINVAL or EOPNOTSUPP where it is too old, ENOMEM. `event_fd` is rung for completions; `workers` is how many threads the
  // kernel may use for what it cannot do asynchronously.
  int Open(uint32_t submissions, uint32_t completions, int event_fd, uint32_t workers);
  void Close();

  // The next submission, zeroed; nullptr when the queue is full.
  uring::Sqe* Next();
  // Hands over what Next gave, in one system call. A positive errno when the kernel did not take all; see Withdraw.
  int Submit();
  // Takes back the oldest submission that the kernel has not taken, newest ones going with it: its user_data, or 0.
  uint64_t Withdraw();

  // Runs what the kernel left for this thread to finish, after waiting for `wait` completions.
  void Enter(uint32_t wait);
  bool Pop(uring::Cqe* cqe);
  // Completions that Pop would give, or that Enter would make.
  bool Ready() const;
  // While quiet, completions do not ring the eventfd. Look at Ready after the end of it.
  void Quiet(bool quiet);

 private:
  int Map(const uring::Params& params);
  int Check() const;

  int fd_ = -1;
  uint8_t* rings_ = nullptr;
  size_t rings_size_ = 0;
  uring::Sqe* sqes_ = nullptr;
  size_t sqes_size_ = 0;
  uint32_t entries_ = 0;
  // The tail that the kernel sees only in Submit.
  uint32_t tail_ = 0;

  uint32_t* sq_head_ = nullptr;
  uint32_t* sq_tail_ = nullptr;
  uint32_t* sq_flags_ = nullptr;
  uint32_t* cq_head_ = nullptr;
  uint32_t* cq_tail_ = nullptr;
  uint32_t* cq_flags_ = nullptr;
  uint32_t cq_mask_ = 0;
  const uring::Cqe* cqes_ = nullptr;
};

}  // namespace tcmu
