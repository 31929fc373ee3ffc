#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <string>

namespace tcmu::glfs {

using Volume = void*;
using File = void*;
// Takes `result` and where errno was when it came; from any thread of the library.
using Done = void (*)(void* arg, ssize_t result, int error);
// A function of one of the two types that the library calls back; see Load.
using Callback = void (*)();

constexpr int kMandatory = 1;

// What is used of libgfapi. None of these has changed its arguments.
#define TCMU_GLFS(CALL)                                                                        \
  CALL(Volume, glfs_new, (const char* volume))                                                      \
  CALL(int, glfs_set_volfile_server, (Volume, const char* transport, const char* host, int port))   \
  CALL(int, glfs_set_logging, (Volume, const char* file, int level))                                \
  CALL(int, glfs_init, (Volume))                                                                    \
  CALL(int, glfs_fini, (Volume))                                                                    \
  CALL(File, glfs_open, (Volume, const char* path, int flags))                                      \
  CALL(File, glfs_creat, (Volume, const char* path, int flags, mode_t mode))                        \
  CALL(int, glfs_close, (File))                                                                     \
  CALL(int, glfs_fstat, (File, struct stat*))                                                       \
  CALL(off_t, glfs_lseek, (File, off_t offset, int whence))                                         \
  CALL(int, glfs_statvfs, (Volume, const char* path, struct statvfs*))                              \
  CALL(int, glfs_fsetxattr, (File, const char* name, const void* value, size_t size, int flags))

// Absent before 4.0.
#define TCMU_GLFS_OPTIONAL(CALL) CALL(int, glfs_file_lock, (File, int command, struct flock*, int mode))

// There are two of each since 6.0: the older takes another type of callback, and ftruncate its first two arguments only (the others
// lie in registers that it does not look at).
#define TCMU_GLFS_VERSIONED(CALL)                                                              \
  CALL("GFAPI_3.4.0", glfs_preadv_async, (File, const iovec*, int count, off_t offset, int flags, Callback, void* arg))  \
  CALL("GFAPI_3.4.0", glfs_pwritev_async, (File, const iovec*, int count, off_t offset, int flags, Callback, void* arg)) \
  CALL("GFAPI_3.4.0", glfs_fdatasync_async, (File, Callback, void* arg))                            \
  CALL("GFAPI_3.4.0", glfs_ftruncate, (File, off_t length, void* before, void* after))              \
  CALL("GFAPI_3.5.0", glfs_discard_async, (File, off_t offset, size_t length, Callback, void* arg)) \
  CALL("GFAPI_3.5.0", glfs_zerofill_async, (File, off_t offset, off_t length, Callback, void* arg))

struct Library {
#define TCMU_MEMBER(result, name, arguments) result(*name) arguments = nullptr;
#define TCMU_VERSIONED_MEMBER(version, name, arguments) int(*name) arguments = nullptr;
  TCMU_GLFS(TCMU_MEMBER)
  TCMU_GLFS_OPTIONAL(TCMU_MEMBER)
  TCMU_GLFS_VERSIONED(TCMU_VERSIONED_MEMBER)
#undef TCMU_MEMBER
#undef TCMU_VERSIONED_MEMBER
  // What the functions with a callback take: it hands on to `Done` as given to Load.
  Callback called = nullptr;
};

// Filled by Load, and then left alone: the library stays until the process ends.
extern Library library;

// Loads it from this file, once a process: empty, or why it cannot be used. With `old` as if it were one from before 6.0.
std::string Load(const char* file, bool old, Done done);

}  // namespace tcmu::glfs
