#pragma once
#include <cstddef>

#include "io_job.h"

namespace tcmu {

// Where a backend puts what it finished; called from any thread.
class Completions {
 public:
  virtual void Done(Job* job) = 0;

 protected:
  ~Completions() = default;
};

// Something that carries out jobs. Every job submitted comes back once: through Completions, or at the next Reap. Used by
// one thread.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual void Submit(JobList jobs, size_t count) = 0;
  // The bell rang: adds what is finished and was not given to Completions.
  virtual void Reap(JobList* finished) { (void)finished; }
  // Waits until no job that was submitted touches its memory any more.
  virtual void WaitIdle() = 0;
  // No Submit after this, and one Reap. Waits for jobs under way; those not begun fail with ECANCELED when `cancel`.
  virtual void Stop(bool cancel) = 0;
};

}  // namespace tcmu
