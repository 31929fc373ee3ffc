#include "io_engine.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "addon.h"
#include "errors.h"

namespace tcmu {

// Not a result yet: every result is 0, a position or a negative errno, and no position is ever known at once.
constexpr double kPending = 1;
// Copying more than this takes longer than handing it to a thread does, and would hold up the event loop.
constexpr int64_t kMaxBytesAtOnce = 128 * 1024;
// The same for one batch as a whole: what is left goes to the threads, which copy side by side.
constexpr int64_t kMaxBytesPerBatch = 4 * 1024 * 1024;
// A write that may wait, made at once all the same: at most this much, and not again soon when it took this long.
constexpr int64_t kMaxBytesBlocking = 16 * 1024;
constexpr uint64_t kSlowNs = 300 * 1000;
constexpr uint64_t kSlowPauseNs = 1000 * 1000 * 1000;
constexpr size_t kMaxSpareJobs = 1024;
constexpr int kMaxThreads = 256;
constexpr double kMaxSafe = 9007199254740991.0;

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
                     });
}

// new IoEngine(table, onDone, threads)
IoEngine::IoEngine(const Napi::CallbackInfo& info) : Napi::ObjectWrap<IoEngine>(info) {
  if (Open(info)) Ref();
}

bool IoEngine::Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int threads;
  if (!info[0].IsObject() || !info[1].IsFunction()) return ThrowTypeError(env, "IoEngine takes a table and a function"), false;
  if (!IntArgument(info, 2, "threads", &threads)) return false;
  if (threads < 1 || threads > kMaxThreads) return ThrowTypeError(env, "threads must be from 1 to 256"), false;
  if (!table_.Attach(info[0].As<Napi::Object>())) return false;

  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  Bell* bell = new Bell{};
  int error = uv_async_init(loop, &bell->handle, [](uv_async_t* handle) {
    static_cast<Bell*>(handle->data)->owner->Deliver();
  });
  if (error < 0) {
    delete bell;
    return ThrowSystemError(env, -error, "uv_async_init"), false;
  }
  bell->handle.data = bell;
  bell->owner = this;
  uv_unref(reinterpret_cast<uv_handle_t*>(&bell->handle));
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* arg) { static_cast<Bell*>(arg)->owner->Shut(true); }, bell, &bell->hook);
  bell_ = bell;
  on_done_ = Napi::Persistent(info[1].As<Napi::Function>());
  backend_ = std::make_unique<ThreadBackend>(*this, static_cast<size_t>(threads));
  env.GetInstanceData<AddonData>()->engines.insert(this);
  return true;
}

IoEngine::~IoEngine() {
  for (Job* job : spare_jobs_) delete job;
}

void IoEngine::Attach(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowTypeError(info.Env(), "attach takes a table");
  table_.Attach(info[0].As<Napi::Object>());
}

// addFile(fd): a slot that has its own duplicate of `fd`; ended by a kClose row.
Napi::Value IoEngine::AddFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int given;
  if (!IntArgument(info, 0, "fd", &given)) return env.Undefined();
  int fd = bell_ == nullptr ? (errno = EBADF, -1) : fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return ThrowSystemError(env, errno, "dup"), env.Undefined();
  int32_t slot = static_cast<int32_t>(files_.size());
  if (free_files_.empty()) {
    files_.emplace_back();
  } else {
    slot = free_files_.back();
    free_files_.pop_back();
  }
  files_[slot] = File{};
  files_[slot].fd = fd;
  files_[slot].in_memory = LiesInMemory(fd);
  return Napi::Number::New(env, slot);
}

// addArea(bytes): a slot for this memory, which stays alive until removeArea and the last operation on it.
Napi::Value IoEngine::AddArea(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return ThrowTypeError(env, "addArea takes a Uint8Array"), env.Undefined();
  }
  if (bell_ == nullptr) return ThrowSystemError(env, EBADF, "addArea"), env.Undefined();
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
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

// submit(n): begin rows 0..n-1 (the results of those that need no waiting are in the table on return), and hand
// everything that waits to the threads. Returns how many of the n rows are pending.
Napi::Value IoEngine::Submit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int rows;
  if (!IntArgument(info, 0, "rows", &rows)) return env.Undefined();
  if (rows > table_.rows) return ThrowTypeError(env, "more rows than the table has"), env.Undefined();
  int pending = 0;
  bytes_left_ = kMaxBytesPerBatch;
  alone_ = rows == 1;
  for (int32_t row = 0; row < rows; row++) {
    table_.result[row] = bell_ == nullptr ? -EBADF : Begin(row);
    pending += table_.result[row] == kPending;
  }
  Dispatch();
  return Napi::Number::New(env, pending);
}

double IoEngine::Begin(int32_t row) {
  Job* job = NewJob();
  int error = Fill(*job, row);
  if (error != 0) {
    Recycle(job);
    return error;
  }
  File& file = files_[job->file];
  if (TryNow(*job, file)) {
    double result = static_cast<double>(job->result);
    Recycle(job);
    return result;
  }
  if (in_flight_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&bell_->handle));
  if (job->op == Op::kClose) {
    file.closing = job;
    file.fd = -1;
    if (file.in_flight == 0) Queue(job);
  } else {
    file.in_flight++;
    if (job->area >= 0) areas_[job->area].in_flight++;
    Queue(job);
  }
  return kPending;
}

// Take a row over into a job, checking all of it: 0 or a negative errno.
int IoEngine::Fill(Job& job, int32_t row) {
  int32_t op = table_.op[row];
  int32_t file = table_.file[row];
  double offset = table_.offset[row];
  double length = table_.length[row];
  if (op < 0 || op >= static_cast<int32_t>(Op::kCount)) return -EINVAL;
  if (file < 0 || static_cast<size_t>(file) >= files_.size()) return -EBADF;
  if (files_[file].fd < 0 || files_[file].closing != nullptr) return -EBADF;
  if (!(offset >= 0 && offset <= kMaxSafe && length >= 0 && length <= kMaxSafe - offset)) return -EINVAL;
  if (std::floor(offset) != offset || std::floor(length) != length) return -EINVAL;
  job.op = static_cast<Op>(op);
  job.fd = files_[file].fd;
  job.file = file;
  job.area = -1;
  job.durable = (table_.flags[row] & kFlagSync) != 0;
  job.offset = static_cast<int64_t>(offset);
  job.length = static_cast<int64_t>(length);
  job.token = table_.token[row];
  job.result = 0;
  job.iov.clear();
  job.at = 0;
  return job.op == Op::kReadv || job.op == Op::kWritev ? FillMemory(job, row) : 0;
}

int IoEngine::FillMemory(Job& job, int32_t row) {
  int32_t slot = table_.area[row];
  int32_t first = table_.iov_first[row];
  int32_t count = table_.iov_count[row];
  if (slot < 0 || static_cast<size_t>(slot) >= areas_.size() || areas_[slot].removed) return -EFAULT;
  if (first < 0 || count < 0 || count > table_.iovs - first) return -EINVAL;
  const Area& area = areas_[slot];
  int64_t total = 0;
  for (int32_t i = first; i < first + count; i++) {
    double from = table_.iov_offset[i];
    double size = table_.iov_length[i];
    if (!(from >= 0 && size >= 0 && from + size <= static_cast<double>(area.size))) return -EFAULT;
    if (size == 0) continue;
    uint8_t* at = area.data + static_cast<size_t>(from);
    size_t bytes = static_cast<size_t>(size);
    total += static_cast<int64_t>(bytes);
    if (!job.iov.empty()) {
      iovec& last = job.iov.back();
      if (static_cast<uint8_t*>(last.iov_base) + last.iov_len == at) {
        last.iov_len += bytes;
        continue;
      }
    }
    job.iov.push_back({at, bytes});
  }
  job.area = slot;
  job.length = total;
  return 0;
}

bool IoEngine::TryNow(Job& job, File& file) {
  if (job.op != Op::kReadv && job.op != Op::kWritev) return false;
  if (job.iov.empty()) return true;
  if (job.durable || job.length > kMaxBytesAtOnce || job.length > bytes_left_) return false;
  bool& possible = job.op == Op::kReadv ? file.nowait_read : file.nowait_write;
  if (!possible && !file.in_memory) return job.op == Op::kWritev && TryBlocking(job, file);
  bytes_left_ -= job.length;
  if (file.in_memory) return Run(job), true;
  Outcome outcome = RunWithoutWaiting(job);
  if (outcome == Outcome::kUnsupported) possible = false;
  return outcome == Outcome::kDone;
}

// Where the file system cannot say whether a write would wait, a small one that is alone is made here: into the page cache
// it takes a few us, the way to a thread and back 20. One that did wait (too many dirty pages, a slow file system) sends
// those after it to the threads, for a hundred times as long.
bool IoEngine::TryBlocking(Job& job, File& file) {
  if (!alone_ || job.length > kMaxBytesBlocking || file.in_flight > 0) return false;
  uint64_t begin = uv_hrtime();
  if (begin < file.blocking_from) return false;
  Run(job);
  uint64_t took = uv_hrtime() - begin;
  if (took > kSlowNs) file.blocking_from = begin + std::max(kSlowPauseNs, took * 100);
  return true;
}

void IoEngine::Queue(Job* job) {
  waiting_.Push(job);
  waiting_count_++;
}

void IoEngine::Dispatch() {
  if (waiting_count_ == 0 || backend_ == nullptr) return;
  size_t count = waiting_count_;
  waiting_count_ = 0;
  backend_->Submit(waiting_.Take(), count);
}

// On a thread of the backend. One ring of the bell covers everything that is done before it is answered.
void IoEngine::Done(Job* job) {
  std::unique_lock<std::mutex> lock(done_mutex_);
  bool ring = done_.head == nullptr;
  done_.Push(job);
  if (ring) uv_async_send(&bell_->handle);
}

void IoEngine::Deliver() {
  {
    std::unique_lock<std::mutex> lock(done_mutex_);
    delivering_ = done_.Take();
  }
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
  if (--in_flight_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&bell_->handle));
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
    if (--file.in_flight == 0 && file.closing != nullptr) Queue(file.closing);
  }
  Recycle(job);
}

Napi::Value IoEngine::InFlight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(in_flight_));
}

void IoEngine::Close(const Napi::CallbackInfo&) {
  Shut(false);
}

// Waits for what a thread has begun (and, unless `cancel`, for what waits); then closes every file. Twice is fine.
void IoEngine::Shut(bool cancel) {
  if (bell_ == nullptr) return;
  if (!cancel) Dispatch();
  backend_->Stop(cancel);
  backend_.reset();
  while (Job* job = delivering_.Pop()) Settle(job);
  while (Job* job = done_.Pop()) Settle(job);
  while (Job* job = waiting_.Pop()) {
    job->result = -ECANCELED;
    Settle(job);
  }
  waiting_count_ = 0;
  Bell* bell = bell_;
  bell_ = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&bell->handle), [](uv_handle_t* handle) {
    Bell* bell = static_cast<Bell*>(handle->data);
    napi_remove_async_cleanup_hook(bell->hook);
    delete bell;
  });
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

Job* IoEngine::NewJob() {
  if (spare_jobs_.empty()) return new Job();
  Job* job = spare_jobs_.back();
  spare_jobs_.pop_back();
  return job;
}

void IoEngine::Recycle(Job* job) {
  if (spare_jobs_.size() < kMaxSpareJobs) {
    spare_jobs_.push_back(job);
  } else {
    delete job;
  }
}

}  // namespace tcmu
