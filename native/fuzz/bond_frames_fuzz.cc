// Control frames from a peer that holds the keys: decoding stays within bounds, and what was read can be written and
// read again; a whole bond takes it and whatever it answers stays small. Input: frames, each behind its length of 2
// bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "bond/bond.h"

using namespace weft::bond;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// False: it is none.
bool check_frame(const std::vector<uint8_t>& plaintext) {
  const auto decoded = decode_frame(plaintext);
  if (!decoded) return false;
  const std::vector<uint8_t> bytes = encode_frame(decoded->path, decoded->frame);
  require(bytes.size() >= kMinFrame);
  require(bytes.size() <= kMaxFrame || std::holds_alternative<Ping>(decoded->frame));
  const auto again = decode_frame(bytes);
  require(again.has_value() && again->path == decoded->path);
  // A list that came in a frame longer than ours may lose its end.
  if (!std::holds_alternative<Nack>(decoded->frame)) require(again->frame == decoded->frame);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::unique_ptr<Bond> bond;
  uint64_t now = 1'000'000'000;
  weft::net::Path way;
  way.remote.v4 = {};
  way.remote.v4.sin_family = AF_INET;
  Released released;
  while (size >= 2) {
    const size_t length = std::min<size_t>(data[0] | data[1] << 8, size - 2);
    // A heap copy of the exact length, so that the sanitizer sees every byte read beyond.
    const std::vector<uint8_t> plaintext(data + 2, data + 2 + length);
    data += 2 + length;
    size -= 2 + length;
    if (!check_frame(plaintext)) continue;
    if (!bond) {
      bond = std::make_unique<Bond>(1);
      bond->set_candidates(now, {&way, 1});
      bond->start_sending_session(1);
      bond->start_receiving_session(1);
    }
    const PathId path = bond->arrived(now, way, static_cast<uint32_t>(length) + 32, true);
    bond->receive_frame(now, path, way, plaintext);
    now += 1'000'000;
    bond->advance(now, released);
    require(bond->take_frames().size() < 100);
    require(released.packets().empty());
  }
  return 0;
}
