#include "session_object.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include "errors.h"

namespace tcmu {

// Of this addon alone: others have sessions of another library.
static const napi_type_tag kTag = {0x746d63755f736573ull, reinterpret_cast<uint64_t>(&kTag)};

Napi::Function SessionObject::Define(Napi::Env env, MakeSession make) {
  return DefineClass(env, "Session",
                     {
                         InstanceMethod<&SessionObject::Call>("call"),
                         InstanceMethod<&SessionObject::Close>("close"),
                     },
                     reinterpret_cast<void*>(make));
}

std::shared_ptr<Session> SessionObject::From(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) return nullptr;
  SessionObject* self = Unwrap(value.As<Napi::Object>());
  return self->closing_ ? nullptr : self->worker_->session;
}

// new Session(onChange): `onChange()` after the library said that what is open has changed.
SessionObject::SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
  if (Open(info)) Ref();
}

bool SessionObject::Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int error;
  if (!info[0].IsFunction()) return ThrowTypeError(env, "Session takes a function"), false;
  bell_ = Bell::Hang(
      env, this, [](void* self) { static_cast<SessionObject*>(self)->Deliver(); },
      [](void* self) { static_cast<SessionObject*>(self)->Shut(); }, &error);
  if (bell_ == nullptr) return ThrowSystemError(env, error, "eventfd"), false;
  worker_ = std::make_shared<Worker>();
  worker_->bell = bell_;
  worker_->session = reinterpret_cast<MakeSession>(info.Data())([this] {
    if (!changed_.exchange(true)) bell_->Ring();
  });
  if (!StartThread()) {
    std::exchange(bell_, nullptr)->TakeDown();
    return ThrowSystemError(env, EAGAIN, "pthread_create"), false;
  }
  info.This().As<Napi::Object>().TypeTag(&kTag);
  on_change_ = Napi::Persistent(info[0].As<Napi::Function>());
  env.GetInstanceData<OpenSessions>()->insert(this);
  return true;
}

void SessionObject::EndAll(const Napi::CallbackInfo& info) {
  OpenSessions all = *info.Env().GetInstanceData<OpenSessions>();
  for (SessionObject* session : all) session->Shut();
}

bool SessionObject::StartThread() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  auto* given = new std::shared_ptr<Worker>(worker_);
  int error = pthread_create(&thread_, nullptr, Worker::Enter, given);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return delete given, false;
  pthread_setname_np(thread_, "tcmu-session");
  return true;
}

// call(name, ...texts): a promise of texts.
Napi::Value SessionObject::Call(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto request = std::make_unique<Request>(Napi::Promise::Deferred::New(env));
  for (size_t i = 0; i < info.Length(); i++) {
    if (!info[i].IsString()) return ThrowTypeError(env, "call takes texts"), env.Undefined();
    (i == 0 ? request->name : request->arguments.emplace_back()) = info[i].As<Napi::String>();
  }
  Napi::Value promise = request->deferred.Promise();
  if (closing_ || bell_ == nullptr) {
    request->deferred.Reject(SystemError(env, EBADF, request->name.c_str()).Value());
  } else {
    Ask(std::move(request));
  }
  return promise;
}

// close(): a promise, kept when everything is closed.
Napi::Value SessionObject::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto request = std::make_unique<Request>(Napi::Promise::Deferred::New(env));
  request->end = true;
  Napi::Value promise = request->deferred.Promise();
  if (closing_ || bell_ == nullptr) {
    request->deferred.Resolve(env.Undefined());
  } else {
    closing_ = true;
    Ask(std::move(request));
  }
  return promise;
}

void SessionObject::Ask(std::unique_ptr<Request> request) {
  if (pending_++ == 0) bell_->Ref();
  {
    std::unique_lock<std::mutex> lock(worker_->mutex);
    worker_->queue.push_back(std::move(request));
  }
  worker_->work.notify_one();
}

void* SessionObject::Worker::Enter(void* given) {
  auto* worker = static_cast<std::shared_ptr<Worker>*>(given);
  (*worker)->Loop();
  delete worker;
  return nullptr;
}

void SessionObject::Worker::Loop() {
  for (bool ended = false; !ended;) {
    std::unique_lock<std::mutex> lock(mutex);
    work.wait(lock, [this] { return !queue.empty(); });
    std::unique_ptr<Request> request = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    ended = request == nullptr || request->end;
    if (ended) {
      session->End();
    } else {
      request->result = session->Call(request->name, request->arguments, &request->results);
    }
    lock.lock();
    if (request != nullptr) done.push_back(std::move(request));
    if (bell != nullptr) bell->Ring();
  }
}

void SessionObject::Deliver() {
  Napi::HandleScope scope(Env());
  Requests done;
  {
    std::unique_lock<std::mutex> lock(worker_->mutex);
    done.swap(worker_->done);
  }
  if (changed_.exchange(false) && !closing_) CallBack(Env(), on_change_, {});
  if (done.empty()) return;
  Napi::AsyncContext context(Env(), "tcmu:session");
  Napi::CallbackScope callback(Env(), context);
  for (auto& request : done) Settle(*request);
}

void SessionObject::Settle(Request& request) {
  Napi::Env env = Env();
  if (--pending_ == 0) bell_->Unref();
  if (request.end) {
    Shut();
    on_change_.Reset();
    request.deferred.Resolve(env.Undefined());
    Unref();
  } else if (request.result < 0) {
    request.deferred.Reject(SystemError(env, -request.result, request.name.c_str()).Value());
  } else {
    Napi::Array texts = Napi::Array::New(env, request.results.size());
    for (uint32_t i = 0; i < request.results.size(); i++) texts[i] = Napi::String::New(env, request.results[i]);
    request.deferred.Resolve(texts);
  }
}

// Twice is fine.
void SessionObject::Shut() {
  if (bell_ == nullptr) return;
  Env().GetInstanceData<OpenSessions>()->erase(this);
  {
    std::unique_lock<std::mutex> lock(worker_->mutex);
    worker_->queue.clear();
    worker_->queue.push_back(nullptr);
    worker_->bell = nullptr;
  }
  worker_->work.notify_one();
  if (worker_->session->MayBeLeft()) {
    pthread_detach(thread_);
  } else {
    pthread_join(thread_, nullptr);
  }
  std::exchange(bell_, nullptr)->TakeDown();
  closing_ = true;
  worker_.reset();
}

}  // namespace tcmu
