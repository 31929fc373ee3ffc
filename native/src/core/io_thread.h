#pragma once
#include <pthread.h>

namespace tcmu {

// A thread that takes no signals and needs little stack; `name` has 15 characters at most. False: the system has none to give.
bool StartIoThread(const char* name, void* (*enter)(void*), void* self, pthread_t* thread);

}  // namespace tcmu
