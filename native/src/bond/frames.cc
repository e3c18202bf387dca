// Bytes of the control frames: docs/protocol.md, "Bond frames".
#include "bond/frames.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "util/bytes.h"

namespace weft::bond {

namespace {

enum class FrameType : uint8_t {
  kPing = 1,
  kPong = 2,
  kChallenge = 3,
  kResponse = 4,
  kReport = 5,
  kNack = 6,
  kPathState = 7,
};

constexpr uint32_t kHeaderSize = 4;
constexpr uint32_t kPaddedTo = 16;
constexpr uint32_t kMaxVarint = 10;
constexpr uint8_t kHasHighest = 0x80;   // of a path's report; below it, how many samples
constexpr uint8_t kCarriesBulk = 0x01;  // of a path's state

class Writer {
 public:
  Writer(FrameType type, PathId path) : out_{kFrameMagic, static_cast<uint8_t>(type), path, 0} {}

  template <typename T>
  void put(T value) {
    out_.resize(out_.size() + sizeof value);
    store<T>(out_.data() + out_.size() - sizeof value, value);
  }
  // LEB128: seven bits a byte, the lowest first, the eighth tells that more follow.
  void put_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<uint8_t>(value) | 0x80);
    out_.push_back(static_cast<uint8_t>(value));
  }
  size_t size() const { return out_.size(); }
  std::vector<uint8_t> finish() {
    out_.resize(std::max<size_t>(kMinFrame, (out_.size() + kPaddedTo - 1) / kPaddedTo * kPaddedTo));
    return std::move(out_);
  }
  std::vector<uint8_t> finish(size_t length) {
    out_.resize(std::max<size_t>(kMinFrame, length));
    return std::move(out_);
  }

 private:
  std::vector<uint8_t> out_;
};

// Past the end, or at a number that is too large, everything read is 0 and ok() false for good.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <typename T>
  T get() {
    if (!ok_ || bytes_.size() - at_ < sizeof(T)) return fail<T>();
    at_ += sizeof(T);
    return load<T>(bytes_.data() + at_ - sizeof(T));
  }
  template <typename T>
  T get_varint() {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 7 * kMaxVarint; shift += 7) {
      const auto byte = get<uint8_t>();
      const uint64_t bits = byte & 0x7F;
      if ((bits << shift) >> shift != bits) return fail<T>();
      value |= bits << shift;
      if (byte < 0x80) return value <= std::numeric_limits<T>::max() ? static_cast<T>(value) : fail<T>();
    }
    return fail<T>();
  }
  template <typename T>
  T fail() {
    ok_ = false;
    return 0;
  }
  bool ok() const { return ok_; }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

std::vector<uint8_t> encode(PathId path, const Ping& ping) {
  Writer out(FrameType::kPing, path);
  out.put(ping.token);
  return out.finish(ping.padding);
}

std::vector<uint8_t> encode_token(FrameType type, PathId path, uint64_t token) {
  Writer out(type, path);
  out.put(token);
  return out.finish();
}

std::vector<uint8_t> encode(PathId path, const Pong& pong) { return encode_token(FrameType::kPong, path, pong.token); }
std::vector<uint8_t> encode(PathId path, const Challenge& challenge) {
  return encode_token(FrameType::kChallenge, path, challenge.nonce);
}
std::vector<uint8_t> encode(PathId path, const Response& response) {
  return encode_token(FrameType::kResponse, path, response.nonce);
}

std::vector<uint8_t> encode(PathId path, const Report& report) {
  Writer out(FrameType::kReport, path);
  out.put(report.session);
  out.put(report.time_us);
  out.put_varint(report.next);
  out.put_varint(report.buffered);
  out.put(report.paths);
  for (const PathReport& of : std::span(report.path).first(report.paths)) {
    out.put(of.path);
    out.put(static_cast<uint8_t>((of.has_highest ? kHasHighest : 0) | of.samples));
    if (of.has_highest) out.put_varint(of.highest);
    out.put_varint(of.received);
    out.put_varint(of.bytes);
    out.put_varint(of.last_age_us);
    for (const PathReport::Sample& sample : std::span(of.sample).first(of.samples)) {
      out.put_varint(sample.below_highest);
      out.put_varint(sample.age_us);
    }
  }
  return out.finish();
}

std::vector<uint8_t> encode(PathId path, const Nack& nack) {
  Writer out(FrameType::kNack, path);
  out.put(nack.session);
  uint64_t behind = 0;
  for (size_t i = 0; i < std::min<size_t>(nack.ranges.size(), Nack::kMaxRanges); ++i) {
    if (out.size() + 2 * kMaxVarint + 1 > kMaxFrame) break;
    const Nack::Range& range = nack.ranges[i];
    out.put_varint(range.count);
    out.put_varint(range.first - behind);
    behind = range.first + range.count;
  }
  out.put_varint(0);  // a range of none: the end
  return out.finish();
}

std::vector<uint8_t> encode(PathId path, const PathState& state) {
  Writer out(FrameType::kPathState, path);
  out.put(state.sequence);
  out.put(state.hold_us);
  out.put(state.repair_us);
  out.put(state.paths);
  for (const PathState::Entry& entry : std::span(state.path).first(state.paths)) {
    out.put(entry.path);
    out.put(static_cast<uint8_t>(entry.carries_bulk ? kCarriesBulk : 0));
    out.put(entry.slack_us);
  }
  return out.finish();
}

// A path's number within a list of them: one of the table's, each at most once.
bool take_path(PathId path, PathSet& taken) {
  if (path >= kMaxPaths || (taken >> path & 1) != 0) return false;
  taken = static_cast<PathSet>(taken | 1u << path);
  return true;
}

PathReport read_path_report(Reader& in) {
  PathReport of;
  of.path = in.get<uint8_t>();
  const auto flags = in.get<uint8_t>();
  of.has_highest = (flags & kHasHighest) != 0;
  of.samples = flags & ~kHasHighest;
  if (of.samples > (of.has_highest ? PathReport::kMaxSamples : 0)) {
    in.fail<uint8_t>();
    of.samples = 0;
  }
  if (of.has_highest) of.highest = in.get_varint<uint64_t>();
  of.received = in.get_varint<uint64_t>();
  of.bytes = in.get_varint<uint64_t>();
  of.last_age_us = in.get_varint<uint64_t>();
  for (PathReport::Sample& sample : std::span(of.sample).first(of.samples)) {
    sample.below_highest = in.get_varint<uint32_t>();
    sample.age_us = in.get_varint<uint32_t>();
    if (sample.below_highest > of.highest) in.fail<uint8_t>();
  }
  return of;
}

std::optional<Frame> read_report(Reader& in) {
  Report report;
  report.session = in.get<uint32_t>();
  report.time_us = in.get<uint64_t>();
  report.next = in.get_varint<uint64_t>();
  report.buffered = in.get_varint<uint32_t>();
  report.paths = in.get<uint8_t>();
  if (report.paths > kMaxPaths) return std::nullopt;
  PathSet taken = 0;
  for (PathReport& of : std::span(report.path).first(report.paths)) {
    of = read_path_report(in);
    if (!in.ok() || !take_path(of.path, taken)) return std::nullopt;
  }
  return report;
}

std::optional<Frame> read_nack(Reader& in) {
  Nack nack;
  nack.session = in.get<uint32_t>();
  uint64_t behind = 0, counters = 0;
  while (const auto count = in.get_varint<uint16_t>()) {
    const auto gap = in.get_varint<uint64_t>();
    const uint64_t first = behind + gap;
    counters += count;
    if (first < gap || first + count < first || nack.ranges.size() == Nack::kMaxRanges) return std::nullopt;
    if (counters > Nack::kMaxCounters) return std::nullopt;
    nack.ranges.push_back({first, count});
    behind = first + count;
  }
  return nack;
}

std::optional<Frame> read_path_state(Reader& in) {
  PathState state;
  state.sequence = in.get<uint32_t>();
  state.hold_us = in.get<uint32_t>();
  state.repair_us = in.get<uint32_t>();
  state.paths = in.get<uint8_t>();
  if (state.paths > kMaxPaths) return std::nullopt;
  PathSet taken = 0;
  for (PathState::Entry& entry : std::span(state.path).first(state.paths)) {
    entry.path = in.get<uint8_t>();
    entry.carries_bulk = (in.get<uint8_t>() & kCarriesBulk) != 0;
    entry.slack_us = in.get<uint32_t>();
    if (!take_path(entry.path, taken)) return std::nullopt;
  }
  return state;
}

std::optional<Frame> read_body(FrameType type, Reader& in, size_t length) {
  switch (type) {
    case FrameType::kPing:
      return Ping{in.get<uint64_t>(), static_cast<uint16_t>(length > kMinFrame ? length : 0)};
    case FrameType::kPong:
      return Pong{in.get<uint64_t>()};
    case FrameType::kChallenge:
      return Challenge{in.get<uint64_t>()};
    case FrameType::kResponse:
      return Response{in.get<uint64_t>()};
    case FrameType::kReport:
      return read_report(in);
    case FrameType::kNack:
      return read_nack(in);
    case FrameType::kPathState:
      return read_path_state(in);
  }
  return std::nullopt;
}

}  // namespace

std::vector<uint8_t> encode_frame(PathId path, const Frame& frame) {
  return std::visit([path](const auto& body) { return encode(path, body); }, frame);
}

std::optional<DecodedFrame> decode_frame(std::span<const uint8_t> plaintext) {
  if (plaintext.size() < kMinFrame || plaintext.size() > UINT16_MAX || !is_frame(plaintext)) return std::nullopt;
  const PathId path = plaintext[2];
  if (path >= kMaxPaths && path != kNoPath) return std::nullopt;
  Reader in(plaintext.subspan(kHeaderSize));
  std::optional<Frame> frame = read_body(static_cast<FrameType>(plaintext[1]), in, plaintext.size());
  if (!frame || !in.ok()) return std::nullopt;
  return DecodedFrame{path, std::move(*frame)};
}

}  // namespace weft::bond
