#pragma once
#include <memory>
#include <vector>

#include "../core/medium.h"
#include "file_session.h"

namespace tcmu::glfs {

// Files of sessions as slots of an engine. The library takes an operation without waiting and calls back from a thread of its own,
// after more than a minute when a brick does not answer. Nobody waits for that: operations have memory of their own, and
// outlive the medium.
class VolumeMedium : public Medium, public Backend {
 public:
  static std::unique_ptr<Medium> Make(const Napi::CallbackInfo&, size_t, Completions& completions, Bell&);
  // Takes what the library calls back with; see Load.
  static void Called(void* operation, ssize_t result, int error);

  explicit VolumeMedium(Completions& completions);
  Backend& backend() override { return *this; }
  bool Add(const Napi::CallbackInfo& info, size_t slot) override;
  int Fill(Job& job) override;
  void Remove(const Job& close) override { slots_[close.file].reset(); }
  void Land(const Job& job) override;
  bool lands() const override { return true; }

  void Submit(JobList jobs, size_t count) override;
  // Operations touch no memory but their own.
  void WaitIdle() override {}
  void Stop(bool cancel) override;

 private:
  struct Operation;
  struct Operations;
  void Begin(Job* job);

  // Shared with the operations under way.
  std::shared_ptr<Operations> operations_;
  std::vector<std::shared_ptr<OpenFile>> slots_;
};

}  // namespace tcmu::glfs
