#include "util/cpu_share.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace weft {
namespace {

constexpr uint64_t kStart = 1'000'000'000;
constexpr uint64_t kShortest = 100'000;

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
    CpuShare share;
    share.waited(0, kStart);
    EXPECT_FALSE(share.worked(kStart + 1));
    EXPECT_EQ(slice(), kShortest);
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs - 1));
    EXPECT_TRUE(share.worked(kStart + CpuShare::kTurnNs));
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs + 1));
    EXPECT_TRUE(share.worked(kStart + 2 * CpuShare::kTurnNs));
  });
}

TEST_F(CpuShareTest, AWaitIsAPause) {
  in_a_thread([] {
    CpuShare share;
    uint64_t now = kStart;
    for (int i = 0; i < 20; ++i) {
      share.waited(now - CpuShare::kPauseNs, now);
      EXPECT_FALSE(share.worked(now += CpuShare::kTurnNs - 1));
    }
  });
}

TEST_F(CpuShareTest, AWaitThatFindsSomethingAtOnceIsNone) {
  in_a_thread([] {
    CpuShare share;
    share.waited(0, kStart);
    uint64_t now = kStart + CpuShare::kTurnNs / 2;
    EXPECT_FALSE(share.worked(now));
    share.waited(now, now + CpuShare::kPauseNs - 1);
    EXPECT_TRUE(share.worked(kStart + CpuShare::kTurnNs));
  });
}

TEST_F(CpuShareTest, OneThatIsCalmAgainHasTheSliceItHad) {
  in_a_thread([] {
    const uint64_t before = slice();
    CpuShare share;
    share.waited(0, kStart);
    share.worked(kStart);
    share.waited(kStart, kStart + CpuShare::kCalmNs - 1);
    EXPECT_EQ(slice(), kShortest);
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_EQ(slice(), before);
    share.worked(kStart + CpuShare::kCalmNs);
    EXPECT_EQ(slice(), kShortest);
  });
}

TEST_F(CpuShareTest, NicenessStaysAsItWasSet) {
  in_a_thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 5), 0);
    CpuShare share;
    share.worked(kStart);
    share.waited(kStart, kStart + CpuShare::kCalmNs);
    EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())), 5);
  });
}

TEST_F(CpuShareTest, ARealTimeThreadIsLeftAlone) {
  in_a_thread([] {
    const sched_param lowest{sched_get_priority_min(SCHED_FIFO)};
    if (sched_setscheduler(0, SCHED_FIFO, &lowest) != 0) GTEST_SKIP() << "no right to real-time priorities";
    CpuShare share;
    share.waited(0, kStart);
    EXPECT_FALSE(share.worked(kStart + CpuShare::kTurnNs));
    EXPECT_EQ(sched_getscheduler(0), SCHED_FIFO);
  });
}

}  // namespace
}  // namespace weft
