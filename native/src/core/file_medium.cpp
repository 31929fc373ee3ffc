#include "file_medium.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "errors.h"
#include "file_job.h"
#include "thread_backend.h"
#include "uring_backend.h"

namespace tcmu {

constexpr int kMaxThreads = 256;
constexpr size_t kMostHelpers = 3;

// (threads, uring, refusal): with `uring` by io_uring where there is one; a positive `refusal` is the errno that its set-up
// is taken to have failed with.
std::unique_ptr<Medium> FileMedium::Make(const Napi::CallbackInfo& info, size_t first, Completions& completions, Bell& bell) {
  int threads, refusal;
  if (!IntArgument(info, first, "threads", &threads) || !IntArgument(info, first + 2, "refusal", &refusal)) return nullptr;
  if (threads < 1 || threads > kMaxThreads) return ThrowTypeError(info.Env(), "threads must be from 1 to 256"), nullptr;
  if (!info[first + 1].IsBoolean()) return ThrowTypeError(info.Env(), "uring must be a boolean"), nullptr;
  bool uring = info[first + 1].As<Napi::Boolean>();
  return std::make_unique<FileMedium>(completions, bell, static_cast<size_t>(threads), uring ? refusal : -1);
}

// One processor is with whoever takes what was read.
static size_t Helpers() {
  return std::min<size_t>(kMostHelpers, std::max(1u, std::thread::hardware_concurrency()) - 1);
}

FileMedium::FileMedium(Completions& completions, Bell& bell, size_t threads, int refusal) : crew_(Helpers()), uring_error_(refusal) {
  if (refusal == 0) {
    auto uring = std::make_unique<UringBackend>(completions, bell, threads);
    uring_error_ = uring->Open(threads);
    if (uring_error_ == 0) backend_ = std::move(uring);
  }
  if (backend_ == nullptr) backend_ = std::make_unique<ThreadBackend>(completions, threads);
}

FileMedium::~FileMedium() {
  backend_.reset();
  for (File& file : files_) {
    if (file.fd >= 0) close(file.fd);
  }
}

// addFile(fd): the slot has its own duplicate of `fd`.
bool FileMedium::Add(const Napi::CallbackInfo& info, size_t slot) {
  int given;
  if (!IntArgument(info, 0, "fd", &given)) return false;
  int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return ThrowSystemError(info.Env(), errno, "dup"), false;
  if (files_.size() <= slot) files_.resize(slot + 1);
  File& file = files_[slot];
  file = File{};
  file.fd = fd;
  file.regular = IsRegular(fd);
  file.in_memory = LiesInMemory(fd);
  if (!file.in_memory && IsDirect(fd)) file.direct = DirectAlignment(fd);
  return true;
}

int FileMedium::Fill(Job& job) {
  if (job.op == Op::kWriteSame || job.op == Op::kCompareAndWrite) return -EOPNOTSUPP;
  File& file = files_[job.file];
  job.fd = file.fd;
  job.direct = file.direct.offset;
  // Durable ones wait for the medium without the lock, and share what they wait for.
  job.in_lane = job.op == Op::kWritev && !job.durable && job.direct == 0 && file.regular;
  job.bounce.reset();
  job.scattered.clear();
  if (job.op == Op::kClose) file.fd = -1;
  if (job.direct == 0 || job.iov.empty()) return 0;
  job.asynchronous = true;
  return Align(job, file.direct);
}

void FileMedium::Remove(const Job& job) {
  if (job.result == -ECANCELED) close(job.fd);
}

}  // namespace tcmu
