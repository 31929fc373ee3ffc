#pragma once
#include <memory>
#include <vector>

#include "crew.h"
#include "direct.h"
#include "medium.h"

namespace tcmu {

// Files and block devices: what needs no waiting is done at once, the rest by io_uring or threads.
class FileMedium : public Medium {
 public:
  static std::unique_ptr<Medium> Make(const Napi::CallbackInfo& info, size_t first, Completions& completions, Bell& bell);
  FileMedium(Completions& completions, Bell& bell, size_t threads, int refusal);
  ~FileMedium() override;

  Backend& backend() override { return *backend_; }
  bool Add(const Napi::CallbackInfo& info, size_t slot) override;
  int Fill(Job& job) override;
  void Remove(const Job& close) override;
  void BeginBatch() override;
  Attempt TryNow(Job& job, bool alone, bool in_line) override;
  void FinishBatch(Job* const* jobs, size_t count) override;
  int UringError() const override { return uring_error_; }

 private:
  struct File {
    int fd = -1;
    bool nowait_read = true;
    bool nowait_write = true;
    bool regular = false;
    bool in_memory = false;
    // What its requests must keep to; offset 0: it is not open for direct I/O.
    Alignment direct;
    // A write that may wait is not made at once before this time (uv_hrtime).
    uint64_t blocking_from = 0;
  };

  static void Try(Job& job);
  void Waits(Job& job);
  bool TryJoined(Job* const* jobs, size_t count);
  bool TryBlocking(Job& job, File& file, bool alone);

  std::unique_ptr<Backend> backend_;
  Crew crew_;
  // Transfers as one, and those of a batch that are left for themselves.
  Job joined_;
  std::vector<Job*> apart_;
  // 0: io_uring is in use; else the positive errno that says why not, or -1: it was not asked for.
  int uring_error_ = 0;
  std::vector<File> files_;
  int64_t bytes_left_ = 0;
  // What writes that may wait may still take of this batch's time.
  int64_t blocking_ns_left_ = 0;
  // Before the first of them; -1: there was none yet.
  long sleeps_before_ = -1;
};

}  // namespace tcmu
