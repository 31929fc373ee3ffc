#include "io_engine.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "addon.h"
#include "errors.h"
#include "thread_backend.h"
#include "uring_backend.h"

namespace tcmu {

constexpr int kMaxThreads = 256;

Napi::Function IoEngine::Define(Napi::Env env) {
  return DefineClass(env, "IoEngine",
                     {
                         InstanceMethod<&IoEngine::Attach>("attach"),
                         InstanceMethod<&IoEngine::AddFile>("addFile"),
                         InstanceMethod<&IoEngine::AddArea>("addArea"),
                         InstanceMethod<&IoEngine::RemoveArea>("removeArea"),
                         InstanceMethod<&IoEngine::Submit>("submit"),
                         InstanceMethod<&IoEngine::Close>("close"),
                         InstanceAccessor<&IoEngine::InFlight>("inFlight"),
                         InstanceAccessor<&IoEngine::UringError>("uringError"),
                     });
}

// new IoEngine(table, onDone, threads, uring, refusal): with `uring` by io_uring where there is one; a positive `refusal` is
// the errno that its set-up is taken to have failed with.
IoEngine::IoEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<IoEngine>(info) {
  if (Open(info)) Ref();
}

bool IoEngine::Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int threads, refusal, error;
  if (!info[0].IsObject() || !info[1].IsFunction()) return ThrowTypeError(env, "IoEngine takes a table and a function"), false;
  if (!IntArgument(info, 2, "threads", &threads) || !IntArgument(info, 4, "refusal", &refusal)) return false;
  if (threads < 1 || threads > kMaxThreads) return ThrowTypeError(env, "threads must be from 1 to 256"), false;
  if (!info[3].IsBoolean()) return ThrowTypeError(env, "uring must be a boolean"), false;
  if (!table_.Attach(info[0].As<Napi::Object>())) return false;
  bell_ = Bell::Hang(
      env, this, [](void* engine) { static_cast<IoEngine*>(engine)->Deliver(); },
      [](void* engine) { static_cast<IoEngine*>(engine)->Shut(true); }, &error);
  if (bell_ == nullptr) return ThrowSystemError(env, error, "eventfd"), false;
  on_done_ = Napi::Persistent(info[1].As<Napi::Function>());
  ChooseBackend(static_cast<size_t>(threads), info[3].As<Napi::Boolean>() ? refusal : -1);
  env.GetInstanceData<AddonData>()->engines.insert(this);
  return true;
}

void IoEngine::ChooseBackend(size_t threads, int refusal) {
  uring_error_ = refusal;
  if (refusal == 0) {
    auto uring = std::make_unique<UringBackend>(*this, *bell_, threads);
    uring_error_ = uring->Open(threads);
    if (uring_error_ == 0) backend_ = std::move(uring);
  }
  if (backend_ == nullptr) backend_ = std::make_unique<ThreadBackend>(*this, threads);
}

IoEngine::~IoEngine() {
  for (Job* job : spare_jobs_) delete job;
}

void IoEngine::Attach(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowTypeError(info.Env(), "attach takes a table");
  table_.Attach(info[0].As<Napi::Object>());
}

void IoEngine::ForgetMemory(const uint8_t* base, size_t size) {
  bool busy = false;
  for (Area& area : areas_) {
    if (area.data == nullptr || area.data + area.size <= base || base + size <= area.data) continue;
    area.size = 0;
    busy = busy || area.in_flight > 0;
  }
  if (!busy || backend_ == nullptr) return;
  Dispatch();
  backend_->WaitIdle();
}

void IoEngine::Dispatch() {
  if (waiting_.head != nullptr && backend_ != nullptr) backend_->Submit(waiting_.Take());
}

// On a thread of the backend. One ring of the bell covers everything that is done before it is answered.
void IoEngine::Done(Job* job) {
  std::unique_lock<std::mutex> lock(done_mutex_);
  bool ring = done_.head == nullptr;
  done_.Push(job);
  if (ring) bell_->Ring();
}

void IoEngine::Collect() {
  backend_->Reap(&delivering_);
  std::unique_lock<std::mutex> lock(done_mutex_);
  delivering_.Append(done_.Take());
}

void IoEngine::Deliver() {
  bell_->Clear();
  Collect();
  Napi::HandleScope scope(Env());
  // A callback may close the engine, which empties the list.
  while (delivering_.head != nullptr) {
    int32_t count = 0;
    while (count < table_.done_rows && delivering_.head != nullptr) {
      Job* job = delivering_.Pop();
      table_.done_token[count] = job->token;
      table_.done_result[count++] = static_cast<double>(job->result);
      Settle(job);
    }
    Dispatch();
    CallBack(Env(), on_done_, {Napi::Number::New(Env(), count)});
  }
}

// Let go of what the job held: its place, its memory, its file, which may now close.
void IoEngine::Settle(Job* job) {
  if (--in_flight_ == 0) bell_->Unref();
  File& file = files_[job->file];
  if (job->op == Op::kClose) {
    if (job->result == -ECANCELED) close(job->fd);
    file = File{};
    free_files_.push_back(job->file);
  } else {
    if (job->area >= 0) {
      Area& area = areas_[job->area];
      if (--area.in_flight == 0 && area.removed) FreeArea(job->area);
    }
    if (--file.in_flight == 0 && file.closing != nullptr) waiting_.Push(file.closing);
  }
  Recycle(job);
}

Napi::Value IoEngine::InFlight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(in_flight_));
}

Napi::Value IoEngine::UringError(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), uring_error_);
}

void IoEngine::Close(const Napi::CallbackInfo&) {
  Shut(false);
}

// Waits for what a thread has begun (and, unless `cancel`, for what waits); then closes every file. Twice is fine.
void IoEngine::Shut(bool cancel) {
  if (bell_ == nullptr) return;
  if (!cancel) Dispatch();
  backend_->Stop(cancel);
  Collect();
  backend_.reset();
  while (Job* job = delivering_.Pop()) Settle(job);
  while (Job* job = waiting_.Pop()) {
    job->result = -ECANCELED;
    Settle(job);
  }
  bell_->TakeDown();
  bell_ = nullptr;
  for (File& file : files_) {
    if (file.fd >= 0) close(file.fd);
  }
  files_.clear();
  Napi::HandleScope scope(Env());
  areas_.clear();
  on_done_.Reset();
  Env().GetInstanceData<AddonData>()->engines.erase(this);
  Unref();
}

}  // namespace tcmu
