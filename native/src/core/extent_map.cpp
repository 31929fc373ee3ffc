#include "extent_map.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace tcmu {

constexpr uint32_t kExtentsAtOnce = 32;

// The next extent that was written, from `at` on: sets [*from, *to). 0, -ENXIO when there is none, or another negative errno.
static int NextExtent(int fd, int64_t at, int64_t* from, int64_t* to) {
  for (;;) {
    // The structure ends in an array without a size.
    alignas(fiemap) uint8_t memory[sizeof(fiemap) + kExtentsAtOnce * sizeof(fiemap_extent)] = {};
    fiemap& map = *reinterpret_cast<fiemap*>(memory);
    map.fm_start = static_cast<uint64_t>(at);
    map.fm_length = FIEMAP_MAX_OFFSET - map.fm_start;
    // Writes that have no storage yet get it first.
    map.fm_flags = FIEMAP_FLAG_SYNC;
    map.fm_extent_count = kExtentsAtOnce;
    if (ioctl(fd, FS_IOC_FIEMAP, &map) < 0) return -errno;
    for (uint32_t i = 0; i < map.fm_mapped_extents; i++) {
      const fiemap_extent& e = map.fm_extents[i];
      *from = std::max(at, static_cast<int64_t>(e.fe_logical));
      *to = static_cast<int64_t>(e.fe_logical + e.fe_length);
      if ((e.fe_flags & FIEMAP_EXTENT_UNWRITTEN) == 0 && *to > at) return 0;
      if ((e.fe_flags & FIEMAP_EXTENT_LAST) != 0) return -ENXIO;
    }
    if (map.fm_mapped_extents == 0) return -ENXIO;
    at = std::max(at + 1, *to);
  }
}

int64_t NextWritten(int fd, int64_t offset) {
  int64_t from, to;
  int error = NextExtent(fd, offset, &from, &to);
  return error < 0 ? error : from;
}

int64_t NextUnwritten(int fd, int64_t offset) {
  for (;;) {
    int64_t from, to;
    int error = NextExtent(fd, offset, &from, &to);
    if (error < 0) return error == -ENXIO ? offset : error;
    if (from > offset) return offset;
    offset = to;
  }
}

}  // namespace tcmu
