#pragma once
#include <cstdint>

namespace tcmu {

// Position of the next byte at or after `offset` whose storage was written (or, second one, was not), by the file system's own
// map; -ENXIO behind the last written one, or another negative errno. lseek cannot tell: reading makes unwritten storage data for it.
int64_t NextWritten(int fd, int64_t offset);
int64_t NextUnwritten(int fd, int64_t offset);

}  // namespace tcmu
