#include "io_thread.h"

#include <csignal>
#include <cstddef>

namespace tcmu {

constexpr size_t kStackBytes = 256 * 1024;

bool StartIoThread(const char* name, void* (*enter)(void*), void* self, pthread_t* thread) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kStackBytes);
  int error = pthread_create(thread, &attr, enter, self);
  pthread_attr_destroy(&attr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) pthread_setname_np(*thread, name);
  return error == 0;
}

}  // namespace tcmu
