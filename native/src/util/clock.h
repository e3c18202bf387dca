// The data plane's clock: CLOCK_BOOTTIME, so that keys age while the machine sleeps.
#pragma once

#include <cstdint>
#include <ctime>

namespace weft {

inline constexpr uint64_t kNanosPerMilli = 1'000'000;
inline constexpr uint64_t kNanosPerSecond = 1'000'000'000;

inline uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return static_cast<uint64_t>(t.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(t.tv_nsec);
}

// As the control plane counts: milliseconds with fractions.
inline double to_millis(uint64_t ns) { return static_cast<double>(ns) / 1e6; }

}  // namespace weft
