// Control frames: what is written is what is read, as docs/protocol.md has the bytes; nothing else is read.
#include "bond/frames.h"

#include <gtest/gtest.h>

#include <random>

#include "hex.h"

namespace weft::bond {
namespace {

void expect_same(const Frame& frame, PathId path = 3) {
  const std::vector<uint8_t> bytes = encode_frame(path, frame);
  EXPECT_GE(bytes.size(), kMinFrame);
  const auto decoded = decode_frame(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->path, path);
  EXPECT_EQ(decoded->frame, frame);
}

Report full_report() {
  Report report{.session = 0xFFFFFFFF, .time_us = UINT64_MAX, .next = UINT64_MAX, .buffered = UINT32_MAX, .paths = 8};
  for (PathId i = 0; i < kMaxPaths; ++i) {
    PathReport& path = report.path[i];
    path = {.path = static_cast<PathId>(7 - i),
            .has_highest = true,
            .highest = UINT64_MAX,
            .received = UINT64_MAX,
            .bytes = UINT64_MAX,
            .last_age_us = UINT64_MAX,
            .samples = 8};
    path.sample.fill({UINT32_MAX, UINT32_MAX});
  }
  return report;
}

TEST(BondFrames, SmallOnesAreAsSmallAsAFrameMayBe) {
  EXPECT_EQ(encode_frame(2, Challenge{0x0102030405060708}), test::from_hex("b1030200080706050403020100000000"
                                                                           "00000000000000000000000000000000"));
  expect_same(Ping{0x0102030405060708});
  expect_same(Pong{UINT64_MAX});
  expect_same(Challenge{7}, kNoPath);
  expect_same(Response{8}, 0);
}

TEST(BondFrames, APaddedPingHasJustTheLengthAskedFor) {
  for (const uint16_t length : {33, 1200, 1439, 1440, 65000}) {
    EXPECT_EQ(encode_frame(1, Ping{9, length}).size(), length);
    expect_same(Ping{9, length});
  }
}

TEST(BondFrames, ReportsOfAnySize) {
  expect_same(Report{.session = 5, .time_us = 1, .next = 2, .buffered = 3});
  expect_same(full_report());
  EXPECT_LE(encode_frame(0, full_report()).size(), kMaxFrame);
  Report report{.session = 1, .paths = 1};
  report.path[0] = {.path = 4, .received = 300, .bytes = 1 << 20};  // nothing of this session came by it
  expect_same(report);
}

TEST(BondFrames, AReportOfTwoLoadedPathsIsSmall) {
  Report report{.session = 0x12345678, .time_us = 1'000'000'000'000, .next = 3'000'000, .buffered = 300, .paths = 2};
  for (PathId i = 0; i < 2; ++i) {
    report.path[i] = {.path = i,
                      .has_highest = true,
                      .highest = 3'000'300,
                      .received = 1'500'000,
                      .bytes = 2'000'000'000,
                      .last_age_us = 150,
                      .samples = 8};
    report.path[i].sample.fill({90, 20'000});
  }
  EXPECT_LE(encode_frame(kNoPath, report).size(), 128u);
}

TEST(BondFrames, NacksKeepTheirRanges) {
  expect_same(Nack{.session = 9, .ranges = {{0, 1}, {2, 8000}, {1'000'000, 3}}});
  expect_same(Nack{.session = 9, .ranges = {{UINT64_MAX - 10, 10}}});
  expect_same(Nack{.session = 9});
}

TEST(BondFrames, ANackThatWouldNotFitEndsEarly) {
  Nack nack{.session = 1};
  for (uint64_t i = 0; i < 400; ++i) nack.ranges.push_back({i << 40, 20});
  const auto bytes = encode_frame(0, nack);
  EXPECT_LE(bytes.size(), kMaxFrame);
  const auto decoded = decode_frame(bytes);
  ASSERT_TRUE(decoded);
  const auto& ranges = std::get<Nack>(decoded->frame).ranges;
  ASSERT_GT(ranges.size(), 100u);
  nack.ranges.resize(ranges.size());
  EXPECT_EQ(ranges, nack.ranges);
}

TEST(BondFrames, PathStates) {
  PathState state{.sequence = UINT32_MAX, .hold_us = 250'000, .repair_us = 33'000, .paths = 2};
  state.path[0] = {.path = 7, .carries_bulk = true, .slack_us = 10'200};
  state.path[1] = {.path = 0, .carries_bulk = false, .slack_us = 0};
  expect_same(state);
  EXPECT_EQ(encode_frame(kNoPath, state), test::from_hex("b107ff00ffffffff90d00300e8800000"
                                                         "020701d8270000000000000000000000"));
}

TEST(BondFrames, WhatIsMalformedIsNoFrame) {
  auto none = [](std::vector<uint8_t> bytes) { return !decode_frame(bytes); };
  const std::vector<uint8_t> good = encode_frame(1, Ping{5});
  EXPECT_FALSE(none(good));
  EXPECT_TRUE(none({}));
  EXPECT_TRUE(none(std::vector<uint8_t>(good.begin(), good.end() - 1)));  // under the least length
  auto with = [&](size_t at, uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    return bytes;
  };
  EXPECT_TRUE(none(with(0, 0x45)));
  EXPECT_TRUE(none(with(1, 0)));
  EXPECT_TRUE(none(with(1, 8)));
  EXPECT_TRUE(none(with(2, 8)));

  Report report{.paths = 2};
  report.path[0].path = report.path[1].path = 3;  // the same path twice
  EXPECT_TRUE(none(encode_frame(0, report)));
  report.path[1].path = 9;
  EXPECT_TRUE(none(encode_frame(0, report)));
  report = {.paths = 1};
  report.path[0] = {.path = 0, .has_highest = true, .highest = 4, .samples = 1};
  report.path[0].sample[0].below_highest = 5;
  EXPECT_TRUE(none(encode_frame(0, report)));

  std::vector<uint8_t> endless(64, 0xFF);  // a number of more than 64 bits
  endless[0] = kFrameMagic;
  endless[1] = 6;
  EXPECT_TRUE(none(endless));
  EXPECT_TRUE(none(encode_frame(0, Nack{.ranges = {{UINT64_MAX - 3, 10}}})));
  EXPECT_FALSE(none(encode_frame(0, Nack{.ranges = {{5, 8192}}})));
  EXPECT_TRUE(none(encode_frame(0, Nack{.ranges = {{5, 8192}, {9000, 1}}})));  // more work than one frame may ask for
}

TEST(BondFrames, BytesOfAnyKindAreReadOrRefused) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<uint8_t> bytes(32 + random() % 200);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    bytes[0] = kFrameMagic;
    bytes[1] = static_cast<uint8_t>(random() % 9);
    bytes[2] = static_cast<uint8_t>(random() % 8);
    const auto decoded = decode_frame(bytes);
    if (!decoded) continue;
    expect_same(decoded->frame, decoded->path);
  }
}

}  // namespace
}  // namespace weft::bond
