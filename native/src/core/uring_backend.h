#pragma once
#include <cstddef>
#include <cstdint>

#include "backend.h"
#include "io_bell.h"
#include "thread_backend.h"
#include "uring.h"

namespace tcmu {

// Transfers that the kernel can wait for go through io_uring (`asynchronous`), everything else to our threads: what is copied
// at once copies side by side there, and fsync, fallocate and durable writes would take a thread of the kernel's each.
class UringBackend : public Backend {
 public:
  UringBackend(Completions& completions, Bell& bell, size_t threads) : bell_(bell), threads_(completions, threads) {}
  ~UringBackend() override { Stop(true); }
  // 0, or a positive errno: then this backend cannot be used.
  int Open(size_t threads);

  void Submit(JobList jobs, size_t count) override;
  void Reap(JobList* finished) override;
  void WaitIdle() override;
  void Stop(bool cancel) override;

 private:
  void Pump();
  void Collect();
  void Finish(Job* job, int32_t result);
  void GiveToThreads(Job* job);
  void WaitRing();

  Bell& bell_;
  ThreadBackend threads_;
  Uring ring_;
  bool open_ = false;
  // Not given to the kernel yet.
  JobList backlog_;
  JobList finished_;
  uint32_t flying_ = 0;
};

}  // namespace tcmu
