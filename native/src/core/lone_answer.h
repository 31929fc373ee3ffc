#pragma once
#include <napi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tcmu {

// The answer to the only command of a ring, written into its entry beforehand: whoever finishes that command's transfer tells the kernel
// itself, before JavaScript is woken. `state` is two words that JavaScript shares, see ring/lone-answer.ts: whose turn it is, and the tail to
// tell. Any thread; the memory of the ring, the descriptor of its doorbell and the words outlive every transfer on that memory.
class LoneAnswer {
 public:
  // { state: Int32Array, tailAt, kickFd, wordSize } of memory `bytes`; nullptr with an exception pending when that is no good.
  static LoneAnswer* From(Napi::Object object, Napi::Uint8Array bytes);
  // Give it if it is still the one of that turn and JavaScript has not taken it back; whether it was given.
  bool Give(int32_t turn);

 private:
  LoneAnswer() = default;

  Napi::Reference<Napi::Int32Array> keep_;
  std::atomic<int32_t>* turn_ = nullptr;
  std::atomic<int32_t>* next_tail_ = nullptr;
  std::atomic<uint32_t>* tail_ = nullptr;
  int kick_fd_ = -1;
  size_t word_ = 0;
};

}  // namespace tcmu
