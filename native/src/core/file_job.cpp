#include "file_job.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "extent_map.h"

namespace tcmu {

static void Advance(Job& job, size_t bytes) {
  job.offset += static_cast<int64_t>(bytes);
  while (bytes > 0) {
    iovec& v = job.iov[job.at];
    size_t n = std::min(bytes, v.iov_len);
    v.iov_base = static_cast<uint8_t*>(v.iov_base) + n;
    v.iov_len -= n;
    bytes -= n;
    if (v.iov_len == 0) job.at++;
  }
}

static void ZeroRest(Job& job) {
  for (; job.at < job.iov.size(); job.at++) memset(job.iov[job.at].iov_base, 0, job.iov[job.at].iov_len);
}

// What was read into aligned memory, to where it belongs.
static void Scatter(const Job& job) {
  const uint8_t* from = job.bounce.get();
  if (from == nullptr || job.op != Op::kReadv) return;
  for (const iovec& v : job.scattered) {
    memcpy(v.iov_base, from, v.iov_len);
    from += v.iov_len;
  }
}

bool Moved(Job& job, int64_t n) {
  bool read = job.op == Op::kReadv;
  job.result = n < 0 ? n : n == 0 && !read ? -EIO : 0;
  if (job.result < 0) return true;
  Advance(job, static_cast<size_t>(n));
  // Direct I/O is short of a multiple only at the end of the file, and could not be carried on from there.
  bool ended = n == 0 || (read && job.direct != 0 && n % job.direct != 0);
  if (job.at < job.iov.size() && !ended) return false;
  ZeroRest(job);
  Scatter(job);
  return true;
}

// One piece without flags is the common case: without a vector it took 3 to 7 % less CPU in all (4 KiB, depth 32, on tmpfs).
static ssize_t Move(const Job& job, int flags) {
  const iovec* first = &job.iov[job.at];
  int count = static_cast<int>(std::min<size_t>(job.iov.size() - job.at, IOV_MAX));
  bool read = job.op == Op::kReadv;
  if (count == 1 && flags == 0) {
    return read ? pread(job.fd, first->iov_base, first->iov_len, job.offset) : pwrite(job.fd, first->iov_base, first->iov_len, job.offset);
  }
  return read ? preadv2(job.fd, first, count, job.offset, flags) : pwritev2(job.fd, first, count, job.offset, flags);
}

// Move bytes until none are left, the file ends (then the rest is zeroes) or the kernel says no: 0 or a negative errno.
static int Transfer(Job& job, int flags) {
  while (job.at < job.iov.size()) {
    ssize_t n = Move(job, flags);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (Moved(job, n)) return static_cast<int>(job.result);
  }
  return 0;
}

Outcome RunWithoutWaiting(Job& job) {
  int error = Transfer(job, RWF_NOWAIT);
  if (error == -EAGAIN) return Outcome::kWouldBlock;
  if (error == -EOPNOTSUPP || error == -ENOSYS || error == -EINVAL) return Outcome::kUnsupported;
  job.result = error;
  return Outcome::kDone;
}

bool IsRegular(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

bool LiesInMemory(int fd) {
  // The node of a block device lies in memory (devtmpfs), its data does not.
  struct statfs fs;
  return IsRegular(fd) && fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int64_t Checked(int64_t value) {
  return value < 0 ? -errno : value;
}

static int64_t Perform(Job& job) {
  switch (job.op) {
    case Op::kReadv: return Transfer(job, 0);
    case Op::kWritev: return Transfer(job, job.durable ? RWF_DSYNC : 0);
    case Op::kSync: return Checked(fsync(job.fd));
    case Op::kDataSync: return Checked(fdatasync(job.fd));
    case Op::kAllocate: return Checked(fallocate(job.fd, FALLOC_FL_KEEP_SIZE, job.offset, job.length));
    case Op::kPunch: return Checked(fallocate(job.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, job.offset, job.length));
    case Op::kZero: return Checked(fallocate(job.fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, job.offset, job.length));
    case Op::kSeekData: return Checked(lseek(job.fd, job.offset, SEEK_DATA));
    case Op::kSeekHole: return Checked(lseek(job.fd, job.offset, SEEK_HOLE));
    case Op::kSeekWritten: return NextWritten(job.fd, job.offset);
    case Op::kSeekUnwritten: return NextUnwritten(job.fd, job.offset);
    case Op::kSize: return Checked(lseek(job.fd, 0, SEEK_END));
    case Op::kTruncate: return Checked(ftruncate(job.fd, job.length));
    // Linux frees the descriptor even when close reports EINTR.
    case Op::kClose: return close(job.fd) < 0 && errno != EINTR ? -errno : 0;
    case Op::kWriteSame:
    case Op::kCompareAndWrite:
    case Op::kCount: break;
  }
  return -EINVAL;
}

void Run(Job& job) {
  do job.result = Perform(job);
  while (job.result == -EINTR);
}

}  // namespace tcmu
