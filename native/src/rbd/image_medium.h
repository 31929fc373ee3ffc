#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "../core/medium.h"
#include "image.h"

namespace tcmu::rbd {

// Images of sessions as slots of an engine. The library takes a job without waiting and calls back from a thread of its own.
class ImageMedium : public Medium, public Backend {
 public:
  static std::unique_ptr<Medium> Make(const Napi::CallbackInfo&, size_t, Completions& completions, Bell&) {
    return std::make_unique<ImageMedium>(completions);
  }
  explicit ImageMedium(Completions& completions) : completions_(completions) {}

  Backend& backend() override { return *this; }
  bool Add(const Napi::CallbackInfo& info, size_t slot) override;
  int Fill(Job& job) override;
  void Remove(const Job& close) override { slots_[close.file].reset(); }

  void Submit(JobList jobs, size_t count) override;
  void WaitIdle() override;
  // The library takes nothing back.
  void Stop(bool) override { WaitIdle(); }

 private:
  // Stays where it is while its jobs are under way.
  struct Slot {
    ImageMedium* medium;
    std::shared_ptr<ImageSession> session;
  };

  // Transfers of one batch that follow each other on the image, and what is asked of the library for all of them.
  struct Together {
    Job all;
    JobList parts;
    void Add(Job* job);
  };
  using Callback = void (*)(Completion completion, void* arg);

  // 0, with `called` to come or gone by; or a negative errno.
  static int Start(Job& job, Callback called, void* arg);
  void Begin(Job* job);
  // With those behind it that can be done with it.
  void BeginRun(Job* first, JobList* others);
  void Finish(Job* job);
  void FinishAll(JobList jobs, int64_t result);
  static void Called(Completion completion, void* job);
  static void CalledTogether(Completion completion, void* together);

  Completions& completions_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::mutex mutex_;
  std::condition_variable idle_;
  size_t running_ = 0;
};

}  // namespace tcmu::rbd
