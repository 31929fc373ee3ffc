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

  void Begin(Job* job);
  void Finish(Job* job);
  static void Called(Completion completion, void* job);

  Completions& completions_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::mutex mutex_;
  std::condition_variable idle_;
  size_t running_ = 0;
};

}  // namespace tcmu::rbd
