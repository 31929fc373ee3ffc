#pragma once
#include <napi.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>

#include "io_bell.h"
#include "session.h"

namespace tcmu {

class SessionObject;

// The sessions of an environment: instance data of an addon that has them.
using OpenSessions = std::set<SessionObject*>;

// The JavaScript face of a session: promises of what its thread does.
class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function Define(Napi::Env env, MakeSession make);
  // The session of a value that is one and is not closed, or nullptr.
  static std::shared_ptr<Session> From(const Napi::Value& value);
  // End those that are still open, and wait for it: process.exit runs no clean-up hooks, and the destructors of a library crash
  // beside its threads.
  static void EndAll(const Napi::CallbackInfo& info);
  explicit SessionObject(const Napi::CallbackInfo& info);

 private:
  struct Request {
    explicit Request(Napi::Promise::Deferred promise) : deferred(promise) {}
    std::string name;
    Texts arguments;
    Napi::Promise::Deferred deferred;
    // The last one: ends the session instead of calling it.
    bool end = false;
    int result = 0;
    Texts results;
  };
  using Requests = std::deque<std::unique_ptr<Request>>;

  bool Open(const Napi::CallbackInfo& info);
  Napi::Value Call(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  bool StartThread();
  void Ask(std::unique_ptr<Request> request);
  void Deliver();
  void Settle(Request& request);
  // What was not begun is dropped.
  void Shut();

  // What the thread works on, and what it hands back.
  struct Worker {
    static void* Enter(void* worker);
    void Loop();

    std::shared_ptr<Session> session;
    std::mutex mutex;
    std::condition_variable work;
    Requests queue;
    Requests done;
    // nullptr once nobody listens any more.
    Bell* bell = nullptr;
  };

  Napi::FunctionReference on_change_;
  std::shared_ptr<Worker> worker_;
  Bell* bell_ = nullptr;
  pthread_t thread_;
  size_t pending_ = 0;
  bool closing_ = false;
  std::atomic<bool> changed_{false};
};

}  // namespace tcmu
