// Receiver indices: agreement with std::unordered_map under insertion, replacement and erasure.
#include "routing/index_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

namespace weft::routing {
namespace {

TEST(IndexTable, EmptyFindsNothing) {
  IndexTable<int> table;
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(UINT32_MAX), nullptr);
  table.erase(0);
  EXPECT_EQ(table.size(), 0u);
}

TEST(IndexTable, EveryIndexIsValid) {
  IndexTable<int> table;
  int a = 0, b = 0;
  table.insert(0, &a);
  table.insert(UINT32_MAX, &b);
  EXPECT_EQ(table.find(0), &a);
  EXPECT_EQ(table.find(UINT32_MAX), &b);
  table.erase(0);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(UINT32_MAX), &b);
}

TEST(IndexTable, InsertReplaces) {
  IndexTable<int> table;
  int a = 0, b = 0;
  table.insert(7, &a);
  table.insert(7, &b);
  EXPECT_EQ(table.find(7), &b);
  EXPECT_EQ(table.size(), 1u);
  table.erase(7);
  EXPECT_EQ(table.find(7), nullptr);
}

TEST(IndexTable, GrowsAndKeepsAll) {
  constexpr uint32_t kCount = 100000;
  IndexTable<uint32_t> table;
  std::vector<uint32_t> values(kCount);
  for (uint32_t i = 0; i < kCount; ++i) table.insert(i * 0x10000 + i, &values[i]);
  EXPECT_EQ(table.size(), kCount);
  for (uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(table.find(i * 0x10000 + i), &values[i]);
  for (uint32_t i = 0; i < kCount; i += 2) table.erase(i * 0x10000 + i);
  EXPECT_EQ(table.size(), kCount / 2);
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(table.find(i * 0x10000 + i), i % 2 == 0 ? nullptr : &values[i]);
  }
}

// Few slots and much coming and going: runs of neighbours form, wrap round the end and are broken from the middle.
TEST(IndexTable, AgreesWithUnorderedMap) {
  std::mt19937 random(1);
  std::vector<int> values(64);
  for (int round = 0; round < 2000; ++round) {
    IndexTable<int> table;
    std::unordered_map<uint32_t, int*> model;
    std::vector<uint32_t> indices(24);
    for (uint32_t& index : indices) index = static_cast<uint32_t>(random());
    for (int step = 0; step < 100; ++step) {
      const uint32_t index = indices[random() % indices.size()];
      if (random() % 2 == 0) {
        int* value = &values[random() % values.size()];
        table.insert(index, value);
        model[index] = value;
      } else {
        table.erase(index);
        model.erase(index);
      }
      ASSERT_EQ(table.size(), model.size());
      for (const uint32_t i : indices) {
        const auto found = model.find(i);
        ASSERT_EQ(table.find(i), found == model.end() ? nullptr : found->second);
      }
    }
  }
}

}  // namespace
}  // namespace weft::routing
