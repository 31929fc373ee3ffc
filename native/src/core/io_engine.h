#pragma once
#include <napi.h>

#include <atomic>
#include <memory>
#include <vector>

#include "backend.h"
#include "completion_queue.h"
#include "io_bell.h"
#include "io_job.h"
#include "io_table.h"
#include "lone_answer.h"
#include "medium.h"
#include "memory_users.h"

namespace tcmu {

// Rows of the submission table to jobs, jobs to rows of the completion table. Everything but Done runs on the thread of
// the environment that made it.
class IoEngine : public Napi::ObjectWrap<IoEngine>, public Completions, public MemoryUser {
 public:
  static Napi::Function Define(Napi::Env env, MakeMedium make);
  explicit IoEngine(const Napi::CallbackInfo& info);
  ~IoEngine() override;

  void ForgetMemory(const uint8_t* base, size_t size) override;
  void Done(Job* job) override;

 private:
  struct Slot {
    bool open = false;
    uint32_t in_flight = 0;
    // The close that waits for the last operation; new ones fail with EBADF.
    Job* closing = nullptr;
  };
  struct Area {
    Napi::Reference<Napi::Uint8Array> keep;
    uint8_t* data = nullptr;
    size_t size = 0;
    uint32_t in_flight = 0;
    bool removed = false;
    std::unique_ptr<LoneAnswer> answer;
  };

  bool Open(const Napi::CallbackInfo& info);
  void Attach(const Napi::CallbackInfo& info);
  Napi::Value AddFile(const Napi::CallbackInfo& info);
  Napi::Value AddArea(const Napi::CallbackInfo& info);
  void RemoveArea(const Napi::CallbackInfo& info);
  Napi::Value Submit(const Napi::CallbackInfo& info);
  Napi::Value CollectNow(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);
  Napi::Value UringError(const Napi::CallbackInfo& info);
  Napi::Value InFlight(const Napi::CallbackInfo& info);

  // Not a result yet: every result is 0, a position or a negative errno, and no position is ever known at once.
  static constexpr double kPending = 1;
  // Neither is this: FinishTogether puts the result in its place.
  static constexpr double kTogether = 2;
  // A row's result when it is finished at once, or kPending when it became a job that waits for Dispatch.
  double Begin(int32_t row, bool in_line);
  bool Continues(int32_t row) const;
  double Launch(Job* job);
  double End(Job* job);
  int FinishTogether();
  int Fill(Job& job, int32_t row);
  int FillMemory(Job& job, int32_t row);
  void Queue(Job* job);
  void Dispatch();

  void Tell();
  // Fills rows of the table with what has ended, that many at most: how many.
  int32_t TakeRows(int32_t most);
  void Collect();
  void Settle(Job* job);
  void FreeArea(int32_t slot);
  void Shut(bool cancel);

  Job* NewJob();
  void Recycle(Job* job);

  IoTable table_;
  Napi::FunctionReference on_done_;
  MemoryUsers* users_ = nullptr;
  std::unique_ptr<Medium> medium_;
  Bell* bell_ = nullptr;

  std::vector<Slot> slots_;
  std::vector<Area> areas_;
  std::vector<int32_t> free_slots_;
  std::vector<int32_t> free_areas_;
  std::vector<Job*> spare_jobs_;

  std::vector<Job*> together_;
  JobList waiting_;
  size_t waiting_count_ = 0;
  // Threads of the backend look at it.
  std::atomic<size_t> in_flight_{0};

  CompletionQueue done_;
  JobList delivering_;
};

}  // namespace tcmu
