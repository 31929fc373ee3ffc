#include "io_engine.h"

#include <cerrno>

#include "errors.h"

namespace tcmu {

constexpr size_t kMaxSpareJobs = 1024;

// addFile(source): a slot for what the medium takes it to be; ended by a kClose row.
Napi::Value IoEngine::AddFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (medium_ == nullptr) return ThrowSystemError(env, EBADF, "addFile"), env.Undefined();
  bool grow = free_slots_.empty();
  int32_t slot = grow ? static_cast<int32_t>(slots_.size()) : free_slots_.back();
  if (!medium_->Add(info, static_cast<size_t>(slot))) return env.Undefined();
  if (grow) {
    slots_.emplace_back();
  } else {
    free_slots_.pop_back();
  }
  slots_[slot].open = true;
  return Napi::Number::New(env, slot);
}

// addArea(bytes, answer?): a slot for this memory, which stays alive until removeArea and the last operation on it.
Napi::Value IoEngine::AddArea(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return ThrowTypeError(env, "addArea takes a Uint8Array"), env.Undefined();
  }
  if (bell_ == nullptr) return ThrowSystemError(env, EBADF, "addArea"), env.Undefined();
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  std::unique_ptr<LoneAnswer> answer;
  if (info[1].IsObject()) {
    answer.reset(LoneAnswer::From(info[1].As<Napi::Object>(), bytes));
    if (answer == nullptr) return env.Undefined();
  }
  int32_t slot = static_cast<int32_t>(areas_.size());
  if (free_areas_.empty()) {
    areas_.emplace_back();
  } else {
    slot = free_areas_.back();
    free_areas_.pop_back();
  }
  Area& area = areas_[slot];
  area.keep = Napi::Persistent(bytes);
  area.data = bytes.Data();
  area.size = bytes.ByteLength();
  area.in_flight = 0;
  area.removed = false;
  area.answer = std::move(answer);
  return Napi::Number::New(env, slot);
}

void IoEngine::RemoveArea(const Napi::CallbackInfo& info) {
  int slot;
  if (!IntArgument(info, 0, "slot", &slot)) return;
  if (static_cast<size_t>(slot) >= areas_.size() || areas_[slot].removed || areas_[slot].keep.IsEmpty()) return;
  areas_[slot].removed = true;
  if (areas_[slot].in_flight == 0) FreeArea(slot);
}

void IoEngine::FreeArea(int32_t slot) {
  areas_[slot] = Area{};
  free_areas_.push_back(slot);
}

Job* IoEngine::NewJob() {
  if (spare_jobs_.empty()) return new Job();
  Job* job = spare_jobs_.back();
  spare_jobs_.pop_back();
  return job;
}

void IoEngine::Recycle(Job* job) {
  job->bounce.reset();
  if (spare_jobs_.size() < kMaxSpareJobs) {
    spare_jobs_.push_back(job);
  } else {
    delete job;
  }
}

}  // namespace tcmu
