#include "helper_saving.h"

namespace tcmu {

namespace {

// Bytes that say something of either way, and those after which what was before counts half.
constexpr double kEnough = 4 << 20;
constexpr double kRemembered = 16 << 20;
// A processor more has to save that much of the time at least.
constexpr double kWorth = 7.0 / 8;
// One batch in so many goes the other way.
constexpr uint32_t kTrial = 64;

}  // namespace

bool HelperSaving::Together() {
  if (with_.bytes < kEnough) return true;
  if (without_.bytes < kEnough) return false;
  const bool saves = with_.each() < without_.each() * kWorth;
  return batches_++ % kTrial == 0 ? !saves : saves;
}

void HelperSaving::Took(bool together, int64_t bytes, int64_t nanoseconds) {
  Sum& sum = together ? with_ : without_;
  sum.bytes += static_cast<double>(bytes);
  sum.nanoseconds += static_cast<double>(nanoseconds);
  if (sum.bytes <= kRemembered) return;
  sum.bytes /= 2;
  sum.nanoseconds /= 2;
}

}  // namespace tcmu
