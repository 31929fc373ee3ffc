#include "io_engine.h"

#include <algorithm>
#include <cerrno>

#include "errors.h"
#include "own_method.h"

namespace tcmu {

constexpr size_t kOwnArguments = 4;
// Results that JavaScript hears of at a time: what it begins then goes out before it hears of more. A disk that was given a whole queue at
// once tells of all of it at once, and has nothing to do while all of it is told (depth 32 on virtio, of fio's writes: all 0.77, four 0.80 to 0.88,
// two 0.90 to 0.98, one 0.83).
constexpr int32_t kMostTold = 2;
// Where results wait for each other there are many disks, and each callback is a doorbell of its own.
constexpr int32_t kMostTogether = 16;

Napi::Function IoEngine::Define(Napi::Env env, MakeMedium make) {
  return DefineClass(env, "IoEngine",
                     {
                         InstanceMethod<&IoEngine::Attach>("attach"),
                         InstanceMethod<&IoEngine::AddFile>("addFile"),
                         InstanceMethod<&IoEngine::AddArea>("addArea"),
                         InstanceMethod<&IoEngine::RemoveArea>("removeArea"),
                         InstanceMethod<&IoEngine::Close>("close"),
                         InstanceAccessor<&IoEngine::InFlight>("inFlight"),
                         InstanceAccessor<&IoEngine::UringError>("uringError"),
                     },
                     reinterpret_cast<void*>(make));
}

// new IoEngine(table, onDone, memory, coalescing, ...): what follows is the medium's.
IoEngine::IoEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<IoEngine>(info) {
  OwnMethod<IoEngine, &IoEngine::Submit>(this, info.This().As<Napi::Object>(), "submit");
  OwnMethod<IoEngine, &IoEngine::CollectNow>(this, info.This().As<Napi::Object>(), "collect");
  if (Open(info)) Ref();
}

bool IoEngine::Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int error;
  if (!info[0].IsObject() || !info[1].IsFunction()) return ThrowTypeError(env, "IoEngine takes a table and a function"), false;
  users_ = MemoryUsers::Borrow(info[2]);
  if (users_ == nullptr) return ThrowTypeError(env, "IoEngine takes the memory of the core addon of this version"), false;
  int coalescing;
  if (!IntArgument(info, 3, "coalescing", &coalescing)) return false;
  if (coalescing > static_cast<int>(Coalescing::kAlways)) return ThrowTypeError(env, "there is no such coalescing"), false;
  if (!table_.Attach(info[0].As<Napi::Object>())) return false;
  Bell* bell = Bell::Hang(
      env, this, [](void* engine) { static_cast<IoEngine*>(engine)->Tell(); },
      [](void* engine) { static_cast<IoEngine*>(engine)->Shut(true); }, &error);
  if (bell == nullptr) return ThrowSystemError(env, error, "eventfd"), false;
  medium_ = reinterpret_cast<MakeMedium>(info.Data())(info, kOwnArguments, *this, *bell);
  if (medium_ == nullptr) return bell->TakeDown(), false;
  bell_ = bell;
  done_.Open(bell, static_cast<Coalescing>(coalescing));
  on_done_ = Napi::Persistent(info[1].As<Napi::Function>());
  users_->Add(this);
  return true;
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
  if (!busy || medium_ == nullptr) return;
  Dispatch();
  medium_->backend().WaitIdle();
}

void IoEngine::Queue(Job* job) {
  waiting_.Push(job);
  waiting_count_++;
}

void IoEngine::Dispatch() {
  if (waiting_count_ == 0 || medium_ == nullptr) return;
  size_t count = waiting_count_;
  waiting_count_ = 0;
  done_.Begin(waiting_);
  medium_->backend().Submit(waiting_.Take(), count);
}

// On a thread of the backend. What the kernel has been told of already is no reason to wake anybody: JavaScript collects it when it is awake.
void IoEngine::Done(Job* job) {
  bool given = job->turn > 0 && job->result == 0 && job->answer->Give(job->turn);
  done_.Put(job, given, in_flight_);
}

void IoEngine::Collect() {
  medium_->backend().Reap(&delivering_);
  delivering_.Append(done_.Take());
}

// collect(): how many rows of the table tell of what has ended, without anybody having been woken; all rows: there may be more.
Napi::Value IoEngine::CollectNow(const Napi::CallbackInfo& info) {
  if (bell_ == nullptr) return Napi::Number::New(info.Env(), 0);
  if (delivering_.head == nullptr) Collect();
  return Napi::Number::New(info.Env(), TakeRows(table_.done_rows));
}

void IoEngine::Tell() {
  Collect();
  Napi::HandleScope scope(Env());
  const int32_t most = done_.coalesces() ? kMostTogether : kMostTold;
  // A callback may close the engine, which empties the list.
  while (int32_t count = TakeRows(std::min(table_.done_rows, most))) CallBack(Env(), on_done_, {Napi::Number::New(Env(), count)});
}

int32_t IoEngine::TakeRows(int32_t most) {
  int32_t count = 0;
  while (count < most && delivering_.head != nullptr) {
    Job* job = delivering_.Pop();
    table_.done_token[count] = job->token;
    table_.done_result[count++] = static_cast<double>(job->result);
    Settle(job);
  }
  Dispatch();
  return count;
}

// Let go of what the job held: its place, its memory, its file, which may now close.
void IoEngine::Settle(Job* job) {
  if (--in_flight_ == 0) bell_->Unref();
  Slot& slot = slots_[job->file];
  if (job->op == Op::kClose) {
    medium_->Remove(*job);
    slot = Slot{};
    free_slots_.push_back(job->file);
  } else {
    if (job->area >= 0) {
      Area& area = areas_[job->area];
      if (area.size > 0) medium_->Land(*job);
      if (--area.in_flight == 0 && area.removed) FreeArea(job->area);
    }
    if (--slot.in_flight == 0 && slot.closing != nullptr) Queue(slot.closing);
  }
  Recycle(job);
}

Napi::Value IoEngine::InFlight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(in_flight_));
}

Napi::Value IoEngine::UringError(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), medium_ == nullptr ? -1 : medium_->UringError());
}

void IoEngine::Close(const Napi::CallbackInfo&) {
  Shut(false);
}

// Waits for what a thread has begun (and, unless `cancel`, for what waits); then closes every file. Twice is fine.
void IoEngine::Shut(bool cancel) {
  if (bell_ == nullptr) return;
  if (!cancel) Dispatch();
  medium_->backend().Stop(cancel);
  Collect();
  while (Job* job = delivering_.Pop()) Settle(job);
  while (Job* job = waiting_.Pop()) {
    job->result = -ECANCELED;
    Settle(job);
  }
  waiting_count_ = 0;
  bell_->TakeDown();
  bell_ = nullptr;
  medium_.reset();
  slots_.clear();
  Napi::HandleScope scope(Env());
  areas_.clear();
  on_done_.Reset();
  users_->Remove(this);
  Unref();
}

}  // namespace tcmu
