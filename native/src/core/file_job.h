#pragma once
#include "io_job.h"

namespace tcmu {

// Do the job, however long it takes.
void Run(Job& job);

// A system call moved `n` bytes of a transfer, or said why not (a negative errno): true when that was the end of the job.
bool Moved(Job& job, int64_t n);

enum class Outcome { kDone, kWouldBlock, kUnsupported };
// Do as much of a transfer as needs no waiting (RWF_NOWAIT). kUnsupported: this file cannot be asked that way.
Outcome RunWithoutWaiting(Job& job);

bool IsRegular(int fd);
// Whether the file lies in memory (tmpfs, ramfs). Such file systems refuse RWF_NOWAIT, and never wait for a device.
bool LiesInMemory(int fd);

}  // namespace tcmu
