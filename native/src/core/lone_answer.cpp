#include "lone_answer.h"

#include <unistd.h>

#include <cerrno>

#include "errors.h"

namespace tcmu {

namespace {

// Of `state[0]`, besides a turn, which is positive, and 0, which nobody has. ring/lone-answer.ts has the same.
constexpr int32_t kBeingGiven = -1;
constexpr int32_t kGiven = -2;

static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t) && std::atomic<int32_t>::is_always_lock_free, "words of JavaScript's");

bool Number(Napi::Object object, const char* name, double least, double most, double* value) {
  Napi::Value found = object.Get(name);
  *value = found.IsNumber() ? found.As<Napi::Number>().DoubleValue() : -1;
  if (*value >= least && *value <= most && static_cast<double>(static_cast<int64_t>(*value)) == *value) return true;
  return ThrowTypeError(object.Env(), (std::string("addArea takes an answer whose ") + name + " makes sense").c_str()), false;
}

}  // namespace

LoneAnswer* LoneAnswer::From(Napi::Object object, Napi::Uint8Array bytes) {
  Napi::Value state = object.Get("state");
  if (!state.IsTypedArray() || state.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array || state.As<Napi::TypedArray>().ElementLength() != 2) {
    return ThrowTypeError(object.Env(), "addArea takes an answer with a state of two words"), nullptr;
  }
  double tail_at, fd, word;
  if (!Number(object, "tailAt", 0, static_cast<double>(bytes.ByteLength()) - sizeof(uint32_t), &tail_at) || !Number(object, "kickFd", 0, INT32_MAX, &fd) ||
      !Number(object, "wordSize", 4, 8, &word)) {
    return nullptr;
  }
  uint8_t* tail = bytes.Data() + static_cast<size_t>(tail_at);
  if (reinterpret_cast<uintptr_t>(tail) % sizeof(uint32_t) != 0) return ThrowTypeError(object.Env(), "addArea takes an answer whose tail is aligned"), nullptr;
  LoneAnswer* answer = new LoneAnswer();
  Napi::Int32Array words = state.As<Napi::Int32Array>();
  answer->keep_ = Napi::Persistent(words);
  answer->turn_ = reinterpret_cast<std::atomic<int32_t>*>(words.Data());
  answer->next_tail_ = answer->turn_ + 1;
  answer->tail_ = reinterpret_cast<std::atomic<uint32_t>*>(tail);
  answer->kick_fd_ = static_cast<int>(fd);
  answer->word_ = static_cast<size_t>(word);
  return answer;
}

bool LoneAnswer::Give(int32_t turn) {
  int32_t expected = turn;
  if (!turn_->compare_exchange_strong(expected, kBeingGiven)) return false;
  tail_->store(static_cast<uint32_t>(next_tail_->load()));
  // From here on JavaScript moves the tail again; it waits for the few instructions before.
  turn_->store(kGiven);
  const uint64_t one = 1;
  ssize_t n;
  do n = write(kick_fd_, &one, word_);
  while (n < 0 && errno == EINTR);
  // A device that is gone says so to whoever waits for its doorbell.
  return true;
}

}  // namespace tcmu
