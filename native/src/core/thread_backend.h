#pragma once
#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "backend.h"
#include "io_job.h"

namespace tcmu {

// A few threads of our own (libuv's are shared with DNS, zlib and fs). They start as work appears.
class ThreadBackend : public Backend {
 public:
  ThreadBackend(Completions& completions, size_t max_threads) : completions_(completions), max_threads_(max_threads) {}
  ~ThreadBackend() override { Stop(true); }
  void Submit(JobList jobs, size_t count) override;
  void WaitIdle() override;
  void Stop(bool cancel) override;

 private:
  static void* Enter(void* self);
  void Loop();
  bool StartThread();

  Completions& completions_;
  const size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  JobList queue_;
  size_t queued_ = 0;
  size_t running_ = 0;
  size_t sleeping_ = 0;
  bool stopping_ = false;
  std::vector<pthread_t> threads_;
};

}  // namespace tcmu
