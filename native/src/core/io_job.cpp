#include "io_job.h"

namespace tcmu {

void JobList::Push(Job* job) {
  job->next = nullptr;
  (tail != nullptr ? tail->next : head) = job;
  tail = job;
}

Job* JobList::Pop() {
  Job* job = head;
  if (job == nullptr) return nullptr;
  head = job->next;
  if (head == nullptr) tail = nullptr;
  return job;
}

void JobList::Append(JobList jobs) {
  if (jobs.head == nullptr) return;
  (tail != nullptr ? tail->next : head) = jobs.head;
  tail = jobs.tail;
}

JobList JobList::Take() {
  JobList all = *this;
  head = tail = nullptr;
  return all;
}

}  // namespace tcmu
