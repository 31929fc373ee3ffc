#pragma once
#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "backend.h"
#include "io_job.h"

namespace tcmu {

// A few threads of our own (libuv's are shared with DNS, zlib and fs). They start as work appears. Jobs of one file that
// are `in_lane` wait for one another; only the first of a lane is in the queue that threads take from.
class ThreadBackend : public Backend {
 public:
  ThreadBackend(Completions& completions, size_t max_threads) : completions_(completions), max_threads_(max_threads) {}
  ~ThreadBackend() override { Stop(true); }
  void Submit(JobList jobs, size_t count) override;
  void WaitIdle() override;
  void Stop(bool cancel) override;

 private:
  struct Lane {
    // One of the file's jobs is in the queue, or with a thread.
    bool taken = false;
    JobList waiting;
  };

  static void* Enter(void* self);
  void Loop();
  // These with the mutex held.
  void Enqueue(Job* job);
  void LeaveLane(int32_t file);
  JobList TakeAll();
  bool StartThread();

  Completions& completions_;
  const size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  JobList queue_;
  // By the file's slot.
  std::vector<Lane> lanes_;
  size_t queued_ = 0;
  size_t running_ = 0;
  size_t sleeping_ = 0;
  bool stopping_ = false;
  std::vector<pthread_t> threads_;
};

}  // namespace tcmu
