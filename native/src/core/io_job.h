#pragma once
#include <sys/uio.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace tcmu {

class LoneAnswer;

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
  kSeekWritten = 12,
  kSeekUnwritten = 13,
  kWriteSame = 14,
  kCompareAndWrite = 15,
  kCount = 16,
};

constexpr bool HasMemory(Op op) {
  return op == Op::kReadv || op == Op::kWritev || op == Op::kWriteSame || op == Op::kCompareAndWrite;
}

// Flag bit of kWritev: on the medium before it completes. Of kZero: keep or take storage.
constexpr int32_t kFlagSync = 1;

struct FreeMemory {
  void operator()(uint8_t* memory) const { free(memory); }
};

// One operation on its way: what is left of it, and how it ended.
struct Job {
  Op op = Op::kReadv;
  int fd = -1;
  bool durable = false;
  // Of a transfer: it waits for a device without a thread (direct I/O, a read that is not cached), or for the lock of a file that
  // threads would only crowd around (a buffered write; the kernel makes those of one file one after another).
  bool asynchronous = false;
  // One at a time with the others of its file that say so: the kernel would let a second thread spin for the lock of the inode.
  bool in_lane = false;
  // Of positions and lengths, when the file is open for direct I/O; else 0.
  uint32_t direct = 0;
  int64_t offset = 0;
  int64_t length = 0;
  // Memory still to be filled or written: iov[at..], shortened as bytes move.
  std::vector<iovec> iov;
  size_t at = 0;
  // Aligned memory in place of the pieces in `scattered`; see direct.h.
  std::unique_ptr<uint8_t, FreeMemory> bounce;
  std::vector<iovec> scattered;
  // The medium's own, for a callback of its library.
  void* context = nullptr;
  // Of a comparison, as librbd gives it; 16.2 gives one that is wrong unless an object begins at the offset.
  uint64_t mismatch = 0;

  // Of a transfer that is done together with others: never wait for a device, and whether that would have been necessary.
  bool nowait = false;
  bool waits = false;
  // And that its file cannot be asked that way at all.
  bool unsupported = false;

  // Of the only command of a ring: the answer that is given as soon as this has gone well, if `turn` is not 0.
  LoneAnswer* answer = nullptr;
  int32_t turn = 0;

  // When it was handed to a backend whose completions wait for each other (nanoseconds).
  int64_t begun = 0;

  int32_t row = 0;
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
  void Append(JobList jobs);
  JobList Take();
};

}  // namespace tcmu
