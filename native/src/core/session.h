#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tcmu {

using Texts = std::vector<std::string>;

// A connection of a storage library (a cluster and an image, a volume and a file). Its calls may wait for as long as the
// library likes: they are made on a thread of the session's own, one after another.
class Session {
 public:
  virtual ~Session() = default;
  // 0, or a negative errno; ENOSYS for a name it does not know.
  virtual int Call(const std::string& name, const Texts& arguments, Texts* results) = 0;
  // Whether a call may be left to itself when the environment goes down, with End to follow whenever it returns; else it is waited for.
  // The addon must stay loaded then (-z nodelete).
  virtual bool MayBeLeft() const { return false; }
  // Waits for I/O under way and closes what is open. Nothing is called after it.
  virtual void End() = 0;
};

// `changed` may be called from any thread until End has returned.
using MakeSession = std::shared_ptr<Session> (*)(std::function<void()> changed);

}  // namespace tcmu
