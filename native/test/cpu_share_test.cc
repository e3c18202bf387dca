#include "util/cpu_share.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "util/clock.h"

namespace weft {
namespace {

constexpr uint64_t kStart = 1'000'000'000;
constexpr uint64_t kShortest = 100'000;
constexpr uint32_t kMuch = CpuShare::kMuch;

// sched_runtime of sched_getattr(2), as 64-bit words.
uint64_t slice() {
  std::array<uint64_t, 6> words{};
  syscall(SYS_sched_getattr, 0, words.data(), sizeof words, 0);
  return words[3];
}

// In a thread of its own, so that the next test has an ordinary one.
template <typename Body>
void in_a_thread(Body body) {
  std::thread(body).join();
}

class CpuShareTest : public testing::Test {
 protected:
  void SetUp() override {
    if (slice() == 0) GTEST_SKIP() << "this kernel has no time slices of threads (Linux 6.12 has)";
  }
};

TEST_F(CpuShareTest, ABusyThreadHasTheShortestSliceAndGivesWayInTime) {
  in_a_thread([] {
    CpuShare share(false);
    share.waited(0, kStart);
    EXPECT_FALSE(share.worked(kStart + 1, kMuch, kMuch));
    EXPECT_EQ(slice(), kShortest);
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs - 1, kMuch, kMuch));
    EXPECT_TRUE(share.worked(kStart + CpuShare::kTurnNs, kMuch, kMuch));
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs + 1, kMuch, kMuch));
    EXPECT_TRUE(share.worked(kStart + 2 * CpuShare::kTurnNs, kMuch, kMuch));
  });
}

TEST_F(CpuShareTest, AWaitIsAPause) {
  in_a_thread([] {
    CpuShare share(false);
    uint64_t now = kStart;
    for (int i = 0; i < 20; ++i) {
      share.waited(now - CpuShare::kPauseNs, now);
      EXPECT_FALSE(share.worked(now += CpuShare::kTurnNs - 1, kMuch, kMuch));
    }
  });
}

TEST_F(CpuShareTest, AWaitThatFindsSomethingAtOnceIsNone) {
  in_a_thread([] {
    CpuShare share(false);
    share.waited(0, kStart);
    uint64_t now = kStart + CpuShare::kTurnNs / 2;
    EXPECT_FALSE(share.worked(now, kMuch, kMuch));
    share.waited(now, now + CpuShare::kPauseNs - 1);
    EXPECT_TRUE(share.worked(kStart + CpuShare::kTurnNs, kMuch, kMuch));
  });
}

TEST_F(CpuShareTest, OneThatIsCalmAgainHasTheSliceItHad) {
  in_a_thread([] {
    const uint64_t before = slice();
    CpuShare share(false);
    share.waited(0, kStart);
    share.worked(kStart, kMuch, kMuch);
    share.waited(kStart, kStart + CpuShare::kCalmNs - 1);
    EXPECT_EQ(slice(), kShortest);
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_EQ(slice(), before);
    share.worked(kStart + CpuShare::kCalmNs, kMuch, kMuch);
    EXPECT_EQ(slice(), kShortest);
  });
}

TEST_F(CpuShareTest, NicenessStaysAsItWasSet) {
  in_a_thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 5), 0);
    CpuShare share(false);
    share.worked(kStart, kMuch, kMuch);
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())), 5);
  });
}

TEST_F(CpuShareTest, AThreadThatWasMadeARealTimeOneIsLeftAlone) {
  in_a_thread([] {
    const sched_param lowest{sched_get_priority_min(SCHED_FIFO)};
    if (sched_setscheduler(0, SCHED_FIFO, &lowest) != 0) GTEST_SKIP() << "no right to real-time priorities";
    CpuShare share(true);
    share.waited(0, kStart);
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs, kMuch, kMuch));
    EXPECT_EQ(sched_getscheduler(0), SCHED_FIFO);
  });
}

bool is_real_time() { return sched_getscheduler(0) == SCHED_FIFO; }

class RealTimeTest : public testing::Test {
 protected:
  void SetUp() override {
    in_a_thread([this] {
      const sched_param lowest{sched_get_priority_min(SCHED_FIFO)};
      permitted_ = sched_setscheduler(0, SCHED_FIFO, &lowest) == 0;
    });
    if (!permitted_) GTEST_SKIP() << "no right to real-time priorities";
  }

 private:
  bool permitted_ = false;
};

TEST_F(RealTimeTest, WhileMuchThatIsTrustedPasses) {
  in_a_thread([] {
    CpuShare share(true);
    share.waited(0, kStart);
    share.worked(kStart, kMuch, kMuch - 1);
    EXPECT_FALSE(is_real_time());
    share.worked(kStart, kMuch, kMuch);
    EXPECT_TRUE(is_real_time());
    sched_param parameters{};
    sched_getparam(0, &parameters);
    EXPECT_EQ(parameters.sched_priority, sched_get_priority_min(SCHED_FIFO));
    share.waited(kStart, kStart + CpuShare::kCalmNs - 1);
    EXPECT_TRUE(is_real_time());
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_FALSE(is_real_time());
  });
}

TEST_F(RealTimeTest, NotByWhatAnybodySends) {
  in_a_thread([] {
    CpuShare share(true);
    uint64_t now = kStart;
    share.worked(now, kMuch, kMuch);
    for (; now < kStart + CpuShare::kCalmNs; now += kNanosPerMilli) {
      share.waited(now - CpuShare::kPauseNs, now);
      share.worked(now, kMuch, kMuch - 1);
    }
    EXPECT_TRUE(is_real_time());
    share.waited(now - CpuShare::kPauseNs, now);
    EXPECT_FALSE(is_real_time());
  });
}

TEST_F(RealTimeTest, NotForEverByJunkThatLeavesNoTimeToWait) {
  in_a_thread([] {
    const uint64_t before = slice();
    CpuShare share(true);
    share.worked(kStart, kMuch, kMuch);
    uint64_t now = kStart;
    uint32_t naps = 0;
    while (is_real_time() && now < kStart + 2 * CpuShare::kCalmNs)
      naps += share.worked(now += CpuShare::kTurnNs / 2, 64, 0);
    EXPECT_EQ(now, kStart + CpuShare::kCalmNs);
    EXPECT_GE(naps, 25u);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(slice(), before);
  });
}

TEST_F(RealTimeTest, ItNapsInTime) {
  in_a_thread([] {
    CpuShare share(true);
    EXPECT_FALSE(share.worked(kStart, kMuch, kMuch));
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs - 1, kMuch, kMuch));
    const uint64_t from = now_ns();
    EXPECT_TRUE(share.worked(kStart + CpuShare::kTurnNs, kMuch, kMuch));
    EXPECT_GE(now_ns(), from + CpuShare::kNapNs);
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs + CpuShare::kNapNs + 1, kMuch, kMuch));
    EXPECT_TRUE(is_real_time());
  });
}

// One that is a real-time thread waits so often, and does units of so many bytes in all; then its window ends.
uint64_t pass_a_window(CpuShare& share, uint64_t now, uint32_t waits, uint32_t bytes) {
  for (uint32_t i = 1; i < waits; ++i) share.waited(now, now);
  for (; bytes != 0; bytes -= kMuch) share.worked(now, kMuch, kMuch);
  now += CpuShare::kWindowNs;
  share.waited(now - CpuShare::kPauseNs, now);
  return now;
}

TEST_F(RealTimeTest, NotForPacketsOneByOne) {
  in_a_thread([] {
    constexpr uint32_t kBytes = 10 * CpuShare::kBytesAWait;
    constexpr uint32_t kMost = CpuShare::kWaits + 10;
    CpuShare share(true);
    uint64_t now = kStart;
    share.waited(now - CpuShare::kPauseNs, now);
    share.worked(now, kMuch, kMuch);
    for (int i = 0; i < 10; ++i) now = pass_a_window(share, now, kMost, kBytes);
    EXPECT_TRUE(is_real_time());
    now = pass_a_window(share, now, kMost + 1, kBytes);
    EXPECT_FALSE(is_real_time());
  });
}

TEST_F(RealTimeTest, ItIsTriedAgainLessAndLessOften) {
  in_a_thread([] {
    CpuShare share(true);
    uint64_t now = kStart;
    const auto bar = [&] {
      share.worked(now, kMuch, kMuch);
      EXPECT_TRUE(is_real_time());
      const uint64_t from = now = pass_a_window(share, now, CpuShare::kWaits + 1, 0);
      EXPECT_FALSE(is_real_time());
      for (; !is_real_time() && now <= from + CpuShare::kLongestBarNs; now += kNanosPerMilli)
        share.worked(now, kMuch, kMuch);
      return now - kNanosPerMilli - from;
    };
    for (uint64_t ns = CpuShare::kShortestBarNs; ns < CpuShare::kLongestBarNs; ns *= 2) EXPECT_EQ(bar(), ns);
    EXPECT_EQ(bar(), CpuShare::kLongestBarNs);
    EXPECT_EQ(bar(), CpuShare::kLongestBarNs);
    now = pass_a_window(share, now, 1, kMuch);
    EXPECT_EQ(bar(), CpuShare::kShortestBarNs);
  });
}

TEST_F(RealTimeTest, NicenessThatWasRaisedMeanwhileStays) {
  in_a_thread([] {
    CpuShare share(true);
    share.worked(kStart, kMuch, kMuch);
    ASSERT_EQ(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 7), 0);
    EXPECT_TRUE(is_real_time());
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())), 7);
  });
}

TEST_F(RealTimeTest, AfterwardsItIsAsItWas) {
  in_a_thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 5), 0);
    const uint64_t before = slice();
    CpuShare share(true);
    share.worked(kStart, kMuch, kMuch);
    EXPECT_TRUE(is_real_time());
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())), 5);
    EXPECT_EQ(slice(), before);
  });
}

// Capabilities belong to a thread: the next test has them again.
void give_up_the_right() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  ASSERT_EQ(syscall(SYS_capget, &header, sets.data()), 0);
  sets[0].effective &= ~(1u << CAP_SYS_NICE);
  ASSERT_EQ(syscall(SYS_capset, &header, sets.data()), 0);
}

TEST_F(RealTimeTest, WithoutTheRightItGivesWayAsAnOrdinaryThread) {
  in_a_thread([] {
    rlimit limit{};
    getrlimit(RLIMIT_RTPRIO, &limit);
    if (limit.rlim_cur != 0) GTEST_SKIP() << "RLIMIT_RTPRIO grants real-time priorities to everybody";
    give_up_the_right();
    CpuShare share(true);
    share.waited(0, kStart);
    EXPECT_EQ(share.worked(kStart + CpuShare::kTurnNs, kMuch, kMuch), slice() != 0);
    EXPECT_FALSE(is_real_time());
  });
}

}  // namespace
}  // namespace weft
