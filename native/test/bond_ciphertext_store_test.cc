// The ring of sealed messages: what is found is what was written.
#include "bond/ciphertext_store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

namespace weft::bond {
namespace {

TEST(CiphertextStore, FindsExactlyWhatIsNotOverwritten) {
  constexpr uint32_t kCapacity = 4096;
  CiphertextStore store(kCapacity);
  struct Message {
    uint64_t position;
    uint32_t length;
    uint8_t mark;
  };
  std::deque<Message> messages;
  uint32_t seed = 7;
  for (int i = 0; i < 20'000; ++i) {
    seed = seed * 1664525 + 1013904223;
    const uint32_t length = 32 + (seed >> 20) % 700;
    const uint64_t position = store.allocate(length);
    uint8_t* data = store.find(position, length);
    ASSERT_NE(data, nullptr);
    std::memset(data, i, length);
    messages.push_back({position, length, static_cast<uint8_t>(i)});
    uint32_t found = 0;
    for (const Message& m : messages) {
      const uint8_t* bytes = store.find(m.position, m.length);
      if (!bytes) continue;
      found += m.length;
      ASSERT_EQ(bytes[0], m.mark);
      ASSERT_EQ(bytes[m.length - 1], m.mark);
    }
    ASSERT_LE(found, kCapacity);
    if (i > 200) {
      ASSERT_GE(found, kCapacity - 2 * 732);
    }
    if (messages.size() > 200) messages.pop_front();
  }
}

TEST(CiphertextStore, SuccessiveMessagesTouch) {
  CiphertextStore store(4096);
  uint8_t* a = store.find(store.allocate(100), 100);
  EXPECT_EQ(store.find(store.allocate(50), 50), a + 100);
}

TEST(CiphertextStore, NothingIsFoundThatWasNeverWritten) {
  CiphertextStore store(4096);
  EXPECT_EQ(store.find(0, 100), nullptr);
  EXPECT_EQ(store.find(1 << 20, 100), nullptr);
}

}  // namespace
}  // namespace weft::bond
