#pragma once
#include <cstdint>

#include "io_job.h"

namespace tcmu {

// What direct I/O (O_DIRECT) asks of a file's requests, in bytes; powers of two. 0: it has none.
struct Alignment {
  uint32_t memory = 0;
  // Of positions, lengths, and each piece of memory.
  uint32_t offset = 0;
};

// Of the file behind `fd`, whether or not it is open for direct I/O.
Alignment DirectAlignment(int fd);

bool IsDirect(int fd);

// Makes the job use aligned memory of its own when its pieces are not aligned, filled already when it writes: 0 or a negative
// errno (EINVAL when its position or length is not aligned).
int Align(Job& job, const Alignment& wanted);

}  // namespace tcmu
