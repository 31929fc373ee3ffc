#include "../core/addon.h"

#include "../core/errors.h"
#include "../core/io_engine.h"
#include "../core/session_object.h"
#include "file_session.h"
#include "volume_medium.h"

namespace tcmu::glfs {

// load(file, old): undefined, or why the library cannot be used.
static Napi::Value LoadLibraryFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsBoolean()) return ThrowTypeError(env, "load takes the file of a library and a boolean"), env.Undefined();
  std::string missing = Load(info[0].As<Napi::String>().Utf8Value().c_str(), info[1].As<Napi::Boolean>(), VolumeMedium::Called);
  return missing.empty() ? env.Undefined() : Napi::String::New(env, missing);
}

static Napi::Value Connections(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Connection::Count()));
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new OpenSessions());
  exports.Set("abiVersion", Napi::Number::New(env, kAbiVersion));
  exports.Set("load", Napi::Function::New(env, LoadLibraryFile, "load"));
  exports.Set("end", Napi::Function::New<SessionObject::EndAll>(env, "end"));
  exports.Set("connections", Napi::Function::New(env, Connections, "connections"));
  exports.Set("Session", SessionObject::Define(env, FileSession::Make));
  exports.Set("IoEngine", IoEngine::Define(env, VolumeMedium::Make));
  return exports;
}

NODE_API_MODULE(tcmu_glfs, Init)

}  // namespace tcmu::glfs
