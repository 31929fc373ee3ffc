#pragma once
#include <napi.h>

#include <string>

namespace tcmu {

// An Error like those of Node's fs: `code` (errno name), `errno` (negative), `syscall`, and `path` when there is one.
Napi::Error SystemError(Napi::Env env, int error, const char* syscall, const std::string& path = "");

void ThrowSystemError(Napi::Env env, int error, const char* syscall, const std::string& path = "");
void ThrowTypeError(Napi::Env env, const char* message);

// Calls a function from the event loop, then runs microtasks. What it throws becomes an uncaughtException of the
// environment; nothing unwinds into C++.
void CallBack(Napi::Env env, const Napi::FunctionReference& function, std::initializer_list<napi_value> args);

// An unsigned integer argument of at most 2^53-1; throws a TypeError that names it and returns false otherwise.
bool SizeArgument(const Napi::CallbackInfo& info, size_t index, const char* name, double* value);
// The same for descriptors, slots and counts: at most 2^31-1.
bool IntArgument(const Napi::CallbackInfo& info, size_t index, const char* name, int* value);

}  // namespace tcmu
