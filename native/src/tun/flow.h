// Which flow an inner packet belongs to, as far as its headers tell.
#pragma once

#include <array>
#include <cstdint>

namespace weft::tun {

struct FlowKey {
  enum class Kind : uint8_t {
    kTransport,  // TCP or UDP: addresses, protocol and ports
    kOther,      // another protocol: addresses and protocol
    kUnknown,    // a fragment, extension headers, options, malformed: it may belong to any flow
  };
  Kind kind;
  uint8_t protocol;
  uint32_t transport;  // offset of what follows the IP header
  uint32_t hash;       // not keyed: flows may collide. Not for kUnknown
};

// Of an IP packet of `length` bytes.
FlowKey flow_key(const uint8_t* packet, uint32_t length);

// Some flows. May take one for a member that is none, never the other way round.
class FlowSet {
 public:
  void clear() { *this = FlowSet(); }
  void add(const FlowKey& key) {
    if (key.kind == FlowKey::Kind::kUnknown)
      any_ = true;
    else
      words_[word(key)] |= bit(key);
  }
  void add(const FlowSet& other) {
    any_ = any_ || other.any_;
    for (uint32_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  bool may_have(const FlowKey& key) const {
    return any_ || key.kind == FlowKey::Kind::kUnknown || (words_[word(key)] & bit(key)) != 0;
  }

 private:
  static constexpr uint32_t kWords = 64;
  // By the upper bits, in which all that was hashed meets.
  static uint32_t word(const FlowKey& key) { return key.hash >> 26; }
  static uint64_t bit(const FlowKey& key) { return uint64_t{1} << (key.hash >> 20 & 63); }

  bool any_ = false;  // may be a member
  std::array<uint64_t, kWords> words_{};
};

}  // namespace weft::tun
