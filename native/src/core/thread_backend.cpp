#include "thread_backend.h"

#include <cerrno>

#include "file_job.h"
#include "io_thread.h"

namespace tcmu {

void ThreadBackend::Enqueue(Job* job) {
  if (job->in_lane) {
    size_t file = static_cast<size_t>(job->file);
    if (file >= lanes_.size()) lanes_.resize(file + 1);
    Lane& lane = lanes_[file];
    if (lane.taken) return lane.waiting.Push(job);
    lane.taken = true;
  }
  queue_.Push(job);
  queued_++;
}

// The thread that leaves takes the next one from the queue itself: nobody need be woken for it.
void ThreadBackend::LeaveLane(int32_t file) {
  Lane& lane = lanes_[file];
  lane.taken = false;
  if (Job* next = lane.waiting.Pop()) Enqueue(next);
}

JobList ThreadBackend::TakeAll() {
  JobList all = queue_.Take();
  queued_ = 0;
  for (Lane& lane : lanes_) {
    lane.taken = false;
    all.Append(lane.waiting.Take());
  }
  return all;
}

void ThreadBackend::Submit(JobList jobs, size_t) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (Job* job = jobs.Pop()) Enqueue(job);
  size_t wake = sleeping_ < queued_ ? sleeping_ : queued_;
  while (threads_.size() < max_threads_ && threads_.size() - running_ < queued_) {
    if (!StartThread()) break;
  }
  if (threads_.empty()) {
    // The system has no thread left to give: slow, but nothing hangs.
    JobList all = TakeAll();
    lock.unlock();
    while (Job* job = all.Pop()) {
      Run(*job);
      completions_.Done(job);
    }
    return;
  }
  lock.unlock();
  while (wake-- > 0) work_.notify_one();
}

bool ThreadBackend::StartThread() {
  pthread_t thread;
  if (!StartIoThread("tcmu-io", Enter, this, &thread)) return false;
  threads_.push_back(thread);
  return true;
}

void* ThreadBackend::Enter(void* self) {
  static_cast<ThreadBackend*>(self)->Loop();
  return nullptr;
}

void ThreadBackend::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    Job* job = queue_.Pop();
    if (job == nullptr) {
      if (stopping_) return;
      sleeping_++;
      work_.wait(lock);
      sleeping_--;
      continue;
    }
    queued_--;
    running_++;
    lock.unlock();
    bool in_lane = job->in_lane;
    int32_t file = job->file;
    Run(*job);
    completions_.Done(job);
    lock.lock();
    running_--;
    if (in_lane) LeaveLane(file);
    if (queued_ == 0 && running_ == 0) idle_.notify_all();
  }
}

void ThreadBackend::WaitIdle() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return queued_ == 0 && running_ == 0; });
}

void ThreadBackend::Stop(bool cancel) {
  JobList dropped;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    if (cancel) dropped = TakeAll();
  }
  work_.notify_all();
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
  threads_.clear();
  while (Job* job = dropped.Pop()) {
    job->result = -ECANCELED;
    completions_.Done(job);
  }
}

}  // namespace tcmu
