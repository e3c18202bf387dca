// How the native micro-benchmarks measure and report: the median over many rounds of one piece of work, as JSON on
// stdout, which bench/native puts together.
//
//   {"results": [{"name": "memcpy", "unit": "cycles/B", "median": 0.03, "p10": 0.03, "p90": 0.04}, ...]}
//
// `cycles` are those of the time stamp counter, whose rate does not follow the core's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace weft::bench {

// Keeps the compiler from leaving out work whose result nobody reads.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// Time stamp counter where there is one, else nanoseconds; `kTickUnit` says which.
#if defined(__x86_64__)
inline constexpr const char* kTickUnit = "cycles";
inline uint64_t ticks() {
  _mm_lfence();
  const uint64_t now = __rdtsc();
  _mm_lfence();
  return now;
}
#else
inline constexpr const char* kTickUnit = "ns";
inline uint64_t ticks() { return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }
#endif

// Ascending order statistics of what the rounds took.
class Samples {
 public:
  explicit Samples(std::vector<double> values) : values_(std::move(values)) { std::ranges::sort(values_); }
  double at(double quantile) const {
    return values_[static_cast<size_t>(quantile * static_cast<double>(values_.size() - 1))];
  }

 private:
  std::vector<double> values_;
};

class Report {
 public:
  Report() { std::printf("{\n  \"results\": ["); }
  ~Report() { std::printf("\n  ]\n}\n"); }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  // `work` treats `bytes` bytes a call.
  template <class Work>
  void per_byte(const std::string& name, size_t bytes, Work work) {
    add(name, std::string(kTickUnit) + "/B", rounds(work, static_cast<double>(bytes)));
  }

  // `work` does `operations` operations a call.
  template <class Work>
  void per_operation(const std::string& name, size_t operations, Work work) {
    add(name, std::string(kTickUnit) + "/op", rounds(work, static_cast<double>(operations)));
  }

  // `speed_ratio`: against a reference in the same rounds; 0 where there is none.
  void add(const std::string& name, const std::string& unit, const Samples& samples, double speed_ratio = 0) {
    std::printf("%s\n    {\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.4f, \"p10\": %.4f, \"p90\": %.4f",
                first_ ? "" : ",", name.c_str(), unit.c_str(), samples.at(0.5), samples.at(0.1), samples.at(0.9));
    if (speed_ratio > 0) std::printf(", \"speedRatio\": %.3f", speed_ratio);
    std::printf("}");
    std::fflush(stdout);
    first_ = false;
  }

 private:
  static constexpr int kWarmUp = 50;
  static constexpr int kRounds = 2001;

  template <class Work>
  static Samples rounds(Work& work, double amount) {
    std::vector<double> taken;
    taken.reserve(kRounds);
    for (int round = -kWarmUp; round < kRounds; ++round) {
      const uint64_t start = ticks();
      work();
      const uint64_t end = ticks();
      if (round >= 0) taken.push_back(static_cast<double>(end - start) / amount);
    }
    return Samples(std::move(taken));
  }

  bool first_ = true;
};

}  // namespace weft::bench
