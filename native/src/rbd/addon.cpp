#include "../core/addon.h"

#include "../core/errors.h"
#include "../core/io_engine.h"
#include "../core/session_object.h"
#include "image.h"
#include "image_medium.h"

namespace tcmu::rbd {

// load(radosFile, rbdFile): undefined, or why the libraries cannot be used.
static Napi::Value LoadLibraries(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsString()) return ThrowTypeError(env, "load takes the files of two libraries"), env.Undefined();
  std::string missing = Load(info[0].As<Napi::String>().Utf8Value().c_str(), info[1].As<Napi::String>().Utf8Value().c_str());
  return missing.empty() ? env.Undefined() : Napi::String::New(env, missing);
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new OpenSessions());
  exports.Set("abiVersion", Napi::Number::New(env, kAbiVersion));
  exports.Set("load", Napi::Function::New(env, LoadLibraries, "load"));
  exports.Set("end", Napi::Function::New<SessionObject::EndAll>(env, "end"));
  exports.Set("Session", SessionObject::Define(env, ImageSession::Make));
  exports.Set("IoEngine", IoEngine::Define(env, ImageMedium::Make));
  return exports;
}

NODE_API_MODULE(tcmu_rbd, Init)

}  // namespace tcmu::rbd
