#include "crew.h"

#include <sched.h>

#include <chrono>

#include "io_thread.h"

namespace tcmu {

// Looks at whether the last helper has left, before sleeping until it has: some 30 us, what the largest job takes.
constexpr int kLooks = 60;

void Crew::Run(Job* const* jobs, size_t count, Work work) {
  if (threads_.empty()) StartHelpers();
  int64_t bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += jobs[i]->length;
  const bool together = saving_.Together();
  const auto begin = std::chrono::steady_clock::now();
  if (together) RunTogether(jobs, count, work);
  else for (size_t i = 0; i < count; i++) work(*jobs[i]);
  saving_.Took(together, bytes, std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count());
}

void Crew::RunTogether(Job* const* jobs, size_t count, Work work) {
  jobs_ = jobs;
  count_ = count;
  work_ = work;
  next_.store(0, std::memory_order_relaxed);
  size_t wanted = count - 1 < threads_.size() ? count - 1 : threads_.size();
  if (wanted > 0) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      open_ = true;
    }
    while (wanted-- > 0) called_.notify_one();
  }
  Help();
  std::unique_lock<std::mutex> lock(mutex_);
  open_ = false;
  lock.unlock();
  for (int looks = 0; looks < kLooks && inside_.load(std::memory_order_acquire) > 0; looks++) sched_yield();
  lock.lock();
  left_.wait(lock, [this] { return inside_.load(std::memory_order_acquire) == 0; });
}

void Crew::Help() {
  for (;;) {
    size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= count_) return;
    work_(*jobs_[i]);
  }
}

void Crew::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    called_.wait(lock, [this] { return open_ || stopping_; });
    if (stopping_) return;
    inside_.fetch_add(1, std::memory_order_relaxed);
    lock.unlock();
    Help();
    lock.lock();
    // Nothing is left of this batch, for anybody.
    open_ = false;
    if (inside_.fetch_sub(1, std::memory_order_release) == 1) left_.notify_one();
  }
}

void* Crew::Enter(void* self) {
  static_cast<Crew*>(self)->Loop();
  return nullptr;
}

// Without helpers, where the system has no thread left to give, the caller does it all.
void Crew::StartHelpers() {
  pthread_t thread;
  while (threads_.size() < most_ && StartIoThread("tcmu-copy", Enter, this, &thread)) threads_.push_back(thread);
}

Crew::~Crew() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  called_.notify_all();
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
}

}  // namespace tcmu
