#include "image_medium.h"

#include <cerrno>
#include <cstring>

#include "../core/errors.h"
#include "../core/session_object.h"

namespace tcmu::rbd {

namespace {

using Start = int (*)(Image image, Job& job, Completion completion);

uint64_t At(const Job& job) { return static_cast<uint64_t>(job.offset); }
size_t Length(const Job& job) { return static_cast<size_t>(job.length); }
const char* Data(const Job& job) { return static_cast<const char*>(job.iov[0].iov_base); }

int Read(Image image, Job& job, Completion c) { return rbd.aio_readv(image, job.iov.data(), static_cast<int>(job.iov.size()), At(job), c); }
int Write(Image image, Job& job, Completion c) { return rbd.aio_writev(image, job.iov.data(), static_cast<int>(job.iov.size()), At(job), c); }
int Flush(Image image, Job&, Completion c) { return rbd.aio_flush(image, c); }
int Discard(Image image, Job& job, Completion c) { return rbd.aio_discard(image, At(job), Length(job), c); }

int Zero(Image image, Job& job, Completion c) {
  if (rbd.aio_write_zeroes == nullptr) return -EOPNOTSUPP;
  return rbd.aio_write_zeroes(image, At(job), Length(job), c, job.durable ? kThick : 0, 0);
}

int WriteSame(Image image, Job& job, Completion c) {
  return rbd.aio_writesame(image, At(job), Length(job), Data(job), job.iov[0].iov_len, c, 0);
}

int CompareAndWrite(Image image, Job& job, Completion c) {
  size_t half = job.iov[0].iov_len / 2;
  return static_cast<int>(rbd.aio_compare_and_write(image, At(job), half, Data(job), Data(job) + half, c, &job.mismatch, 0));
}

// By operation; nullptr: images do not have it.
constexpr Start kStarts[] = {
    Read, Write, Flush, Flush, nullptr, Discard, Zero, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, WriteSame, CompareAndWrite};
static_assert(sizeof(kStarts) / sizeof(kStarts[0]) == static_cast<size_t>(Op::kCount), "one for each operation");

// Each costs the library and its OSD some 200 us of computing, whatever its length: small ones that follow each other are one. Initiators that
// write a log ask for them by the dozen; librbd's own scheduler would join writes, and lets each of the others wait for that.
constexpr int64_t kMostOfOne = 64 * 1024;
constexpr int64_t kMostTogether = 512 * 1024;

bool Follows(const Job& before, const Job& job) {
  return job.op == before.op && (job.op == Op::kReadv || job.op == Op::kWritev) && job.context == before.context && job.length <= kMostOfOne && before.length <= kMostOfOne &&
         job.offset == before.offset + before.length;
}

// The library takes these in one piece.
bool NeedsOnePiece(Op op) { return op == Op::kWriteSame || op == Op::kCompareAndWrite; }

int Gather(Job& job) {
  size_t size = 0;
  for (const iovec& v : job.iov) size += v.iov_len;
  if (size == 0) return -EINVAL;
  if (job.iov.size() == 1) return 0;
  job.bounce.reset(static_cast<uint8_t*>(malloc(size)));
  if (job.bounce == nullptr) return -ENOMEM;
  uint8_t* at = job.bounce.get();
  for (const iovec& v : job.iov) {
    memcpy(at, v.iov_base, v.iov_len);
    at += v.iov_len;
  }
  job.iov.assign(1, {job.bounce.get(), size});
  return 0;
}

}  // namespace

// addFile(session): the slot is the image that the session has open.
bool ImageMedium::Add(const Napi::CallbackInfo& info, size_t slot) {
  std::shared_ptr<Session> session = SessionObject::From(info[0]);
  if (session == nullptr) return ThrowTypeError(info.Env(), "addFile takes a session that is open"), false;
  if (slots_.size() <= slot) slots_.resize(slot + 1);
  slots_[slot] = std::make_unique<Slot>(Slot{this, std::static_pointer_cast<ImageSession>(session)});
  return true;
}

int ImageMedium::Fill(Job& job) {
  if (job.op != Op::kClose && kStarts[static_cast<size_t>(job.op)] == nullptr) return -EOPNOTSUPP;
  job.bounce.reset();
  job.context = slots_[job.file].get();
  return NeedsOnePiece(job.op) ? Gather(job) : 0;
}

void ImageMedium::Submit(JobList jobs, size_t count) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    running_ += count;
  }
  while (Job* job = jobs.Pop()) {
    if (jobs.head != nullptr && Follows(*job, *jobs.head)) BeginRun(job, &jobs);
    else Begin(job);
  }
}

int ImageMedium::Start(Job& job, Callback called, void* arg) {
  ImageSession& session = *static_cast<Slot*>(job.context)->session;
  Image image = session.Hold();
  if (image == nullptr) return -EBADF;
  Completion completion;
  int error = rbd.aio_create_completion(arg, called, &completion);
  if (error == 0) {
    error = kStarts[static_cast<size_t>(job.op)](image, job, completion);
    // `called` may have run, and the job be gone.
    if (error >= 0) return 0;
    rbd.aio_release(completion);
  }
  session.LetGo();
  return error;
}

void ImageMedium::Begin(Job* job) {
  // The image has to be closed by its session.
  if (job->op == Op::kClose) return Finish(job);
  int error = Start(*job, Called, job);
  if (error == 0) return;
  job->result = error;
  Finish(job);
}

void ImageMedium::Together::Add(Job* job) {
  all.iov.insert(all.iov.end(), job->iov.begin(), job->iov.end());
  all.length += job->length;
  parts.Push(job);
}

void ImageMedium::BeginRun(Job* first, JobList* others) {
  Together* run = new Together();
  run->all.op = first->op;
  run->all.context = first->context;
  run->all.offset = first->offset;
  run->Add(first);
  for (Job* last = first; others->head != nullptr && Follows(*last, *others->head) && run->all.length + others->head->length <= kMostTogether; run->Add(last)) last = others->Pop();
  int error = Start(run->all, CalledTogether, run);
  if (error == 0) return;
  FinishAll(run->parts.Take(), error);
  delete run;
}

// On a thread of the library.
void ImageMedium::Called(Completion completion, void* arg) {
  Job* job = static_cast<Job*>(arg);
  Slot* slot = static_cast<Slot*>(job->context);
  ssize_t result = rbd.aio_get_return_value(completion);
  rbd.aio_release(completion);
  // A read is short at the end of the image only.
  bool shorter = job->op == Op::kReadv && result >= 0 && result < job->length;
  job->result = shorter ? -EOVERFLOW : result < 0 ? result : 0;
  slot->session->LetGo();
  slot->medium->Finish(job);
}

// The same. An image that ends in the middle of them has some to give: those are asked for one by one.
void ImageMedium::CalledTogether(Completion completion, void* arg) {
  std::unique_ptr<Together> run(static_cast<Together*>(arg));
  Slot* slot = static_cast<Slot*>(run->all.context);
  ImageMedium* medium = slot->medium;
  ssize_t result = rbd.aio_get_return_value(completion);
  rbd.aio_release(completion);
  slot->session->LetGo();
  JobList parts = run->parts.Take();
  if (run->all.op != Op::kReadv || result < 0 || result == run->all.length) return medium->FinishAll(parts, result < 0 ? result : 0);
  while (Job* job = parts.Pop()) medium->Begin(job);
}

void ImageMedium::FinishAll(JobList jobs, int64_t result) {
  while (Job* job = jobs.Pop()) {
    job->result = result;
    Finish(job);
  }
}

void ImageMedium::Finish(Job* job) {
  completions_.Done(job);
  std::unique_lock<std::mutex> lock(mutex_);
  if (--running_ == 0) idle_.notify_all();
}

void ImageMedium::WaitIdle() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return running_ == 0; });
}

}  // namespace tcmu::rbd
