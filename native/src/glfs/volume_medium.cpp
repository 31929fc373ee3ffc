#include "volume_medium.h"

#include <cerrno>
#include <cstring>
#include <mutex>

#include "../core/errors.h"
#include "../core/session_object.h"

namespace tcmu::glfs {

// Where jobs go when the library is done with them; once closed, nowhere.
struct VolumeMedium::Operations {
  std::mutex mutex;
  Completions* completions;
  // Those under way, linked by Operation.
  Operation* first = nullptr;
};

struct VolumeMedium::Operation {
  std::shared_ptr<Operations> all;
  std::shared_ptr<OpenFile> file;
  // nullptr once it was given back without waiting.
  Job* job;
  // What the library reads from or writes to.
  std::unique_ptr<uint8_t, FreeMemory> memory;
  iovec piece{};
  bool read;
  Operation* next = nullptr;
  Operation* previous = nullptr;

  void Link() {
    next = all->first;
    if (next != nullptr) next->previous = this;
    all->first = this;
  }
  void Unlink() {
    (previous != nullptr ? previous->next : all->first) = next;
    if (next != nullptr) next->previous = previous;
  }
  // Memory of its own, with what is to be written; false with errno set when there is none.
  bool Prepare();
};

namespace {

using Start = int (*)(File file, const Job& job, const iovec& piece, void* operation);

int Read(File file, const Job& job, const iovec& piece, void* o) { return library.glfs_preadv_async(file, &piece, 1, job.offset, 0, library.called, o); }
// O_DSYNC of one write keeps it from being acknowledged out of the client's memory.
int Write(File file, const Job& job, const iovec& piece, void* o) {
  return library.glfs_pwritev_async(file, &piece, 1, job.offset, job.durable ? O_DSYNC : 0, library.called, o);
}
int Sync(File file, const Job&, const iovec&, void* o) { return library.glfs_fdatasync_async(file, library.called, o); }
int Discard(File file, const Job& job, const iovec&, void* o) {
  return library.glfs_discard_async(file, job.offset, static_cast<size_t>(job.length), library.called, o);
}
int Zero(File file, const Job& job, const iovec&, void* o) { return library.glfs_zerofill_async(file, job.offset, job.length, library.called, o); }

struct Row {
  Op op;
  Start start;
};
constexpr Row kRows[] = {{Op::kReadv, Read}, {Op::kWritev, Write}, {Op::kSync, Sync}, {Op::kDataSync, Sync},
                         {Op::kPunch, Discard}, {Op::kZero, Zero}};

Start StartOf(Op op) {
  for (const Row& row : kRows) if (row.op == op) return row.start;
  return nullptr;
}

}  // namespace

bool VolumeMedium::Operation::Prepare() {
  if (!HasMemory(job->op)) return true;
  piece = {malloc(static_cast<size_t>(job->length)), static_cast<size_t>(job->length)};
  memory.reset(static_cast<uint8_t*>(piece.iov_base));
  if (memory == nullptr) return false;
  uint8_t* to = memory.get();
  for (const iovec& v : job->iov) {
    if (read) break;
    memcpy(to, v.iov_base, v.iov_len);
    to += v.iov_len;
  }
  return true;
}

VolumeMedium::VolumeMedium(Completions& completions) : operations_(std::make_shared<Operations>()) {
  operations_->completions = &completions;
}

std::unique_ptr<Medium> VolumeMedium::Make(const Napi::CallbackInfo&, size_t, Completions& completions, Bell&) {
  return std::make_unique<VolumeMedium>(completions);
}

// addFile(session): the slot is the file that the session has open.
bool VolumeMedium::Add(const Napi::CallbackInfo& info, size_t slot) {
  auto session = std::static_pointer_cast<FileSession>(SessionObject::From(info[0]));
  std::shared_ptr<OpenFile> file = session == nullptr ? nullptr : session->file();
  if (file == nullptr) return ThrowTypeError(info.Env(), "addFile takes a session with an open file"), false;
  if (slots_.size() <= slot) slots_.resize(slot + 1);
  slots_[slot] = file;
  return true;
}

int VolumeMedium::Fill(Job& job) {
  job.bounce.reset();
  return job.op == Op::kClose || StartOf(job.op) != nullptr ? 0 : -EOPNOTSUPP;
}

void VolumeMedium::Submit(JobList jobs, size_t) {
  while (Job* job = jobs.Pop()) Begin(job);
}

void VolumeMedium::Begin(Job* job) {
  // The file closes when the session and its operations have let go of it.
  if (job->op == Op::kClose) return operations_->completions->Done(job);
  auto* operation = new Operation{operations_, slots_[job->file], job, nullptr, {}, job->op == Op::kReadv};
  {
    std::unique_lock<std::mutex> lock(operations_->mutex);
    operation->Link();
  }
  if (!operation->Prepare() || StartOf(job->op)(operation->file->get(), *job, operation->piece, operation) < 0) Called(operation, -1, errno);
}

// 0 or a negative errno. Only the end of a file makes a read short; what is missing is zeroes.
static int64_t ResultOf(bool read, const iovec& piece, ssize_t result, int error) {
  if (result < 0) return error > 0 ? -error : -EIO;
  size_t moved = static_cast<size_t>(result);
  if (moved >= piece.iov_len) return 0;
  if (!read || (moved > 0 && error != ENOENT)) return -EIO;
  memset(static_cast<uint8_t*>(piece.iov_base) + moved, 0, piece.iov_len - moved);
  return 0;
}

void VolumeMedium::Called(void* given, ssize_t result, int error) {
  std::unique_ptr<Operation> operation(static_cast<Operation*>(given));
  int64_t outcome = ResultOf(operation->read, operation->piece, result, error);
  std::shared_ptr<Operations> all = operation->all;
  std::unique_lock<std::mutex> lock(all->mutex);
  operation->Unlink();
  Job* job = operation->job;
  if (job == nullptr) return;
  job->result = outcome;
  job->bounce = std::move(operation->memory);
  all->completions->Done(job);
}

void VolumeMedium::Land(const Job& job) {
  if (job.op != Op::kReadv || job.result < 0) return;
  const uint8_t* from = job.bounce.get();
  for (const iovec& v : job.iov) {
    memcpy(v.iov_base, from, v.iov_len);
    from += v.iov_len;
  }
}

void VolumeMedium::Stop(bool) {
  std::unique_lock<std::mutex> lock(operations_->mutex);
  for (Operation* operation = operations_->first; operation != nullptr; operation = operation->next) {
    Job* job = operation->job;
    if (job == nullptr) continue;
    operation->job = nullptr;
    job->result = -ECANCELED;
    operations_->completions->Done(job);
  }
}

}  // namespace tcmu::glfs
