#pragma once
#include <napi.h>

#include <memory>

#include "backend.h"
#include "io_bell.h"

namespace tcmu {

// What became of a transfer that was to be done at once: it is done, it needs waiting, or it is done with others of its batch.
enum class Attempt { kDone, kWaits, kTogether };

// What the slots of an engine stand for (descriptors, images of a library), and who carries out jobs on them. Used by one
// thread; the engine has checked slots, ranges and memory, and closes a slot after its last job.
class Medium {
 public:
  virtual ~Medium() = default;
  virtual Backend& backend() = 0;
  // Take what `addFile` was given into a slot; false with an exception pending when it is no good.
  virtual bool Add(const Napi::CallbackInfo& info, size_t slot) = 0;
  // The rest of a job, as its slot has it: 0 or a negative errno. After one that closes, nothing else comes for that slot.
  virtual int Fill(Job& job) = 0;
  // A kClose has ended.
  virtual void Remove(const Job& close) = 0;
  virtual void BeginBatch() {}
  // Do a transfer at once when it needs no waiting; `alone`: nothing is under way on its slot; `in_line`: the row before it, or the one
  // behind it, is next to it in the file.
  virtual Attempt TryNow(Job& job, bool alone, bool in_line) { return (void)job, (void)alone, (void)in_line, Attempt::kWaits; }
  // The transfers of this batch that were to be done together; those that need waiting after all have `waits` set.
  virtual void FinishBatch(Job* const* jobs, size_t count) { (void)jobs, (void)count; }
  // A transfer has ended and its memory is still there: of a medium whose jobs work on memory of their own.
  virtual void Land(const Job& job) { (void)job; }
  // It has something to do there: until then the memory of a transfer that has ended is not what it should be.
  virtual bool lands() const { return false; }
  // Of files: what keeps io_uring from being used.
  virtual int UringError() const { return -1; }
};

// Makes the medium of a new engine of arguments `first`.. of its constructor; nullptr with an exception pending.
using MakeMedium = std::unique_ptr<Medium> (*)(const Napi::CallbackInfo& info, size_t first, Completions& completions, Bell& bell);

}  // namespace tcmu
