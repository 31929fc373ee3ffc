#include "direct.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tcmu {

namespace {

// struct statx of Linux 6.1, which has STATX_DIOALIGN; glibc 2.36's own has not.
struct Statx {
  uint32_t mask;
  uint8_t others[148];
  uint32_t dio_mem_align;
  uint32_t dio_offset_align;
  uint8_t rest[96];
};
static_assert(sizeof(Statx) == 256, "struct statx");
constexpr unsigned kStatxDioAlign = 0x2000;
// Pages: no medium of Linux wants more where it cannot be asked.
constexpr uint32_t kSafe = 4096;

Alignment OfDevice(int fd) {
  struct stat st;
  int block = 0;
  if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) && ioctl(fd, BLKSSZGET, &block) == 0 && block > 0) {
    return {static_cast<uint32_t>(block), static_cast<uint32_t>(block)};
  }
  return {kSafe, kSafe};
}

bool PiecesAligned(const Job& job, const Alignment& wanted) {
  for (const iovec& v : job.iov) {
    if (reinterpret_cast<uintptr_t>(v.iov_base) % wanted.memory != 0 || v.iov_len % wanted.offset != 0) return false;
  }
  return true;
}

}  // namespace

Alignment DirectAlignment(int fd) {
  Statx st{};
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, kStatxDioAlign, &st) < 0 || !(st.mask & kStatxDioAlign)) return OfDevice(fd);
  return {std::max(st.dio_mem_align, 1u), st.dio_offset_align};
}

bool IsDirect(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0;
}

int Align(Job& job, const Alignment& wanted) {
  if (job.offset % wanted.offset != 0 || job.length % wanted.offset != 0) return -EINVAL;
  if (PiecesAligned(job, wanted)) return 0;
  size_t size = static_cast<size_t>(job.length);
  void* memory;
  if (posix_memalign(&memory, std::max(wanted.memory, kSafe), size) != 0) return -ENOMEM;
  job.bounce.reset(static_cast<uint8_t*>(memory));
  job.scattered.swap(job.iov);
  job.iov.assign(1, {memory, size});
  uint8_t* at = job.bounce.get();
  for (const iovec& v : job.scattered) {
    if (job.op == Op::kWritev) memcpy(at, v.iov_base, v.iov_len);
    at += v.iov_len;
  }
  return 0;
}

}  // namespace tcmu
