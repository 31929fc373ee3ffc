#include "errors.h"

#include <uv.h>

#include <climits>
#include <cmath>

namespace tcmu {

Napi::Error SystemError(Napi::Env env, int error, const char* syscall, const std::string& path) {
  std::string message = std::string(uv_err_name(-error)) + ": " + uv_strerror(-error) + ", " + syscall;
  if (!path.empty()) message += " '" + path + "'";
  Napi::Error e = Napi::Error::New(env, message);
  e.Set("code", Napi::String::New(env, uv_err_name(-error)));
  e.Set("errno", Napi::Number::New(env, -error));
  e.Set("syscall", Napi::String::New(env, syscall));
  if (!path.empty()) e.Set("path", Napi::String::New(env, path));
  return e;
}

void ThrowSystemError(Napi::Env env, int error, const char* syscall, const std::string& path) {
  SystemError(env, error, syscall, path).ThrowAsJavaScriptException();
}

void ThrowTypeError(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

void CallBack(Napi::Env env, const Napi::FunctionReference& function, std::initializer_list<napi_value> args) {
  if (function.IsEmpty()) return;
  // Its receiver has to be an object, and no function here looks at it.
  const napi_value called = function.Value();
  napi_status status = napi_make_callback(env, nullptr, called, called, args.size(), args.begin(), nullptr);
  if (status != napi_pending_exception) return;
  napi_value thrown;
  if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
}

static bool UnsignedArgument(const Napi::CallbackInfo& info, size_t index, const char* name, double limit, double* value) {
  if (info[index].IsNumber()) {
    *value = info[index].As<Napi::Number>().DoubleValue();
    if (*value >= 0 && *value <= limit && std::floor(*value) == *value) return true;
  }
  ThrowTypeError(info.Env(), (std::string(name) + " must be an integer from 0 to " + std::to_string(static_cast<int64_t>(limit))).c_str());
  return false;
}

bool SizeArgument(const Napi::CallbackInfo& info, size_t index, const char* name, double* value) {
  constexpr double kMaxSafe = 9007199254740991.0;
  return UnsignedArgument(info, index, name, kMaxSafe, value);
}

bool IntArgument(const Napi::CallbackInfo& info, size_t index, const char* name, int* value) {
  double wide;
  if (!UnsignedArgument(info, index, name, INT_MAX, &wide)) return false;
  *value = static_cast<int>(wide);
  return true;
}

}  // namespace tcmu
