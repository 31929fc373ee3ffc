#pragma once
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace tcmu::rbd {

using Cluster = void*;
using Pool = void*;
using Image = void*;
using Completion = void*;
using CompletionCallback = void (*)(Completion completion, void* arg);
using ChangeCallback = void (*)(void* arg);
using ExtentCallback = int (*)(uint64_t offset, size_t length, int exists, void* arg);

struct ImageInfo {
  uint64_t size;
  uint64_t object_size;
  uint64_t objects;
  int order;
  char prefix[24];
  int64_t parent_pool;
  char parent_name[96];
};

constexpr int kExclusive = 0;
constexpr int kThick = 1;

// What is used of librados, and of librbd: result, name after its prefix, arguments.
#define TCMU_RADOS(CALL)                                                        \
  CALL(int, create, (Cluster*, const char* id))                                 \
  CALL(int, conf_read_file, (Cluster, const char* path))                        \
  CALL(int, conf_set, (Cluster, const char* key, const char* value))            \
  CALL(int, conf_get, (Cluster, const char* key, char* value, size_t size))     \
  CALL(int, connect, (Cluster))                                                 \
  CALL(void, shutdown, (Cluster))                                               \
  CALL(int, getaddrs, (Cluster, char** addresses))                              \
  CALL(int, ioctx_create, (Cluster, const char* pool, Pool*))                   \
  CALL(void, ioctx_destroy, (Pool))                                             \
  CALL(void, ioctx_set_namespace, (Pool, const char* name))                     \
  CALL(int, mon_command, (Cluster, const char** command, size_t commands, const char* in, size_t in_size, char** out, \
                          size_t* out_size, char** status, size_t* status_size)) \
  CALL(void, buffer_free, (char*))                                              \
  CALL(int, service_register, (Cluster, const char* service, const char* daemon, const char* metadata)) \
  CALL(int, service_update_status, (Cluster, const char* status))

#define TCMU_RBD(CALL)                                                          \
  CALL(void, version, (int* major, int* minor, int* extra))                     \
  CALL(int, open, (Pool, const char* name, Image*, const char* snapshot))       \
  CALL(int, open_read_only, (Pool, const char* name, Image*, const char* snapshot)) \
  CALL(int, close, (Image))                                                     \
  CALL(int, stat, (Image, ImageInfo*, size_t size))                             \
  CALL(int, get_size, (Image, uint64_t*))                                       \
  CALL(int, get_features, (Image, uint64_t*))                                   \
  CALL(int, get_id, (Image, char* id, size_t size))                             \
  CALL(int, resize, (Image, uint64_t size))                                     \
  CALL(int, update_watch, (Image, uint64_t* handle, ChangeCallback, void* arg)) \
  CALL(int, update_unwatch, (Image, uint64_t handle))                           \
  CALL(int, diff_iterate2, (Image, const char* from, uint64_t offset, uint64_t length, uint8_t parent, uint8_t whole, \
                            ExtentCallback, void* arg))                         \
  CALL(int, is_exclusive_lock_owner, (Image, int* owner))                       \
  CALL(int, lock_acquire, (Image, int mode))                                    \
  CALL(int, lock_release, (Image))                                              \
  CALL(int, lock_break, (Image, int mode, const char* owner))                   \
  CALL(int, lock_get_owners, (Image, int* mode, char** owners, size_t* count))  \
  CALL(void, lock_get_owners_cleanup, (char** owners, size_t count))            \
  CALL(int, metadata_get, (Image, const char* key, char* value, size_t* size))  \
  CALL(int, metadata_set, (Image, const char* key, const char* value))          \
  CALL(int, metadata_remove, (Image, const char* key))                          \
  CALL(int, aio_create_completion, (void* arg, CompletionCallback, Completion*)) \
  CALL(ssize_t, aio_get_return_value, (Completion))                             \
  CALL(void, aio_release, (Completion))                                         \
  CALL(int, aio_readv, (Image, const iovec*, int count, uint64_t offset, Completion)) \
  CALL(int, aio_writev, (Image, const iovec*, int count, uint64_t offset, Completion)) \
  CALL(int, aio_flush, (Image, Completion))                                     \
  CALL(int, aio_discard, (Image, uint64_t offset, uint64_t length, Completion)) \
  CALL(int, aio_writesame, (Image, uint64_t offset, size_t length, const char* data, size_t size, Completion, int flags)) \
  CALL(ssize_t, aio_compare_and_write, (Image, uint64_t offset, size_t length, const char* compare, const char* data, Completion, \
                                        uint64_t* mismatch, int flags))

// Absent before Nautilus (14).
#define TCMU_RBD_OPTIONAL(CALL) \
  CALL(int, aio_write_zeroes, (Image, uint64_t offset, size_t length, Completion, int zero_flags, int flags))

#define TCMU_MEMBER(result, name, arguments) result(*name) arguments = nullptr;
struct Rados {
  TCMU_RADOS(TCMU_MEMBER)
};
struct Rbd {
  TCMU_RBD(TCMU_MEMBER)
  TCMU_RBD_OPTIONAL(TCMU_MEMBER)
};
#undef TCMU_MEMBER

// Filled by Load, and then left alone: the libraries stay until the process ends.
extern Rados rados;
extern Rbd rbd;

// Loads both from these files, once a process: empty, or why they cannot be used.
std::string Load(const char* rados_file, const char* rbd_file);

}  // namespace tcmu::rbd
