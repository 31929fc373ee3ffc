#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <vector>

namespace tcmu {

// Operation codes of the submission table; native/index.ts carries the same numbers.
enum class Op : int32_t {
  kReadv = 0,
  kWritev = 1,
  kSync = 2,
  kDataSync = 3,
  kAllocate = 4,
  kPunch = 5,
  kZero = 6,
  kSeekData = 7,
  kSeekHole = 8,
  kSize = 9,
  kTruncate = 10,
  kClose = 11,
  kCount = 12,
};

// Flag bit of kWritev: on the medium before it completes.
constexpr int32_t kFlagSync = 1;

// One operation on its way: what is left of it, and how it ended.
struct Job {
  Op op = Op::kReadv;
  int fd = -1;
  bool durable = false;
  int64_t offset = 0;
  int64_t length = 0;
  // Memory still to be filled or written: iov[at..], shortened as bytes move.
  std::vector<iovec> iov;
  size_t at = 0;

  int32_t token = 0;
  int32_t file = -1;
  int32_t area = -1;
  // 0, a position for the seek operations, or a negative errno.
  int64_t result = 0;
  Job* next = nullptr;
};

// A list of jobs that owns nothing.
struct JobList {
  Job* head = nullptr;
  Job* tail = nullptr;
  void Push(Job* job);
  Job* Pop();
  JobList Take();
};

// Do the job, however long it takes.
void Run(Job& job);

enum class Outcome { kDone, kWouldBlock, kUnsupported };
// Do as much of a transfer as needs no waiting (RWF_NOWAIT). kUnsupported: this file cannot be asked that way.
Outcome RunWithoutWaiting(Job& job);

// Whether the file lies in memory (tmpfs, ramfs). Such file systems refuse RWF_NOWAIT, and never wait for a device.
bool LiesInMemory(int fd);

}  // namespace tcmu
