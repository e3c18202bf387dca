// Longest-prefix match: the cases of test/vectors/allowed-ips.txt, and agreement with a list searched from end to end.
#include "routing/allowed_ips.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace weft::routing {
namespace {

using Address = std::array<uint8_t, 16>;

struct ParsedPrefix {
  int family;
  Address address{};
  uint8_t length;
};

ParsedPrefix parse_prefix(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  ParsedPrefix prefix{.family = address.find(':') == std::string::npos ? 4 : 6, .length = 0};
  EXPECT_EQ(inet_pton(prefix.family == 4 ? AF_INET : AF_INET6, address.c_str(), prefix.address.data()), 1) << text;
  if (slash != std::string::npos) prefix.length = static_cast<uint8_t>(std::stoi(text.substr(slash + 1)));
  return prefix;
}

uint32_t lookup(const AllowedIps& table, int family, const Address& address) {
  return family == 4 ? table.lookup4(address.data()) : table.lookup6(address.data());
}

uint32_t parse_peer(const std::string& text) { return text == "-" ? kNoPeer : static_cast<uint32_t>(text[0] - 'a'); }

TEST(AllowedIps, Vectors) {
  std::ifstream file(WEFT_VECTORS "/allowed-ips.txt");
  ASSERT_TRUE(file.is_open());
  AllowedIps table;
  int finds = 0;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    SCOPED_TRACE("line " + std::to_string(number) + ": " + line);
    std::istringstream words(line);
    std::string verb, first, second;
    words >> verb >> first >> second;
    if (verb.empty() || verb[0] == '#') continue;
    if (verb == "clear") {
      table = {};
    } else if (verb == "set") {
      const ParsedPrefix p = parse_prefix(second);
      table.insert(p.family, p.address.data(), p.length, parse_peer(first));
    } else if (verb == "unset") {
      const ParsedPrefix p = parse_prefix(second);
      table.remove(p.family, p.address.data(), p.length, parse_peer(first));
    } else if (verb == "forget") {
      table.remove_peer(parse_peer(first));
    } else if (verb == "find") {
      const ParsedPrefix p = parse_prefix(first);
      EXPECT_EQ(lookup(table, p.family, p.address), parse_peer(second));
      ++finds;
    } else {
      FAIL() << "unknown verb";
    }
  }
  EXPECT_GT(finds, 70);
}

// The deepest tree there can be: one prefix of each length, every one inside the one before.
TEST(AllowedIps, EveryLengthNested) {
  for (const int family : {4, 6}) {
    const int bits = family == 4 ? 32 : 128;
    AllowedIps table;
    Address ones;
    ones.fill(0xff);
    for (int length = 0; length <= bits; ++length) {
      table.insert(family, ones.data(), static_cast<uint8_t>(length), static_cast<uint32_t>(length));
    }
    for (int length = 0; length < bits; ++length) {
      Address address = ones;
      address[static_cast<size_t>(length / 8)] ^= static_cast<uint8_t>(0x80 >> length % 8);
      EXPECT_EQ(lookup(table, family, address), static_cast<uint32_t>(length));
    }
    EXPECT_EQ(lookup(table, family, ones), static_cast<uint32_t>(bits));
    for (int length = bits; length > 0; --length) {
      table.remove(family, ones.data(), static_cast<uint8_t>(length), static_cast<uint32_t>(length));
      EXPECT_EQ(lookup(table, family, ones), static_cast<uint32_t>(length - 1));
    }
  }
}

// Full-length prefixes that differ from all ones in a single bit, as the kernel's self-test has them: a leaf hangs off
// every level.
TEST(AllowedIps, LeafAtEveryDepth) {
  AllowedIps table;
  for (uint32_t i = 0; i < 128; ++i) {
    Address address;
    address.fill(0xff);
    address[i / 8] ^= static_cast<uint8_t>(0x80 >> i % 8);
    table.insert(6, address.data(), 128, i);
  }
  for (uint32_t i = 0; i < 128; ++i) {
    Address address;
    address.fill(0xff);
    address[i / 8] ^= static_cast<uint8_t>(0x80 >> i % 8);
    EXPECT_EQ(table.lookup6(address.data()), i);
    table.remove_peer(i);
    EXPECT_EQ(table.lookup6(address.data()), kNoPeer);
  }
}

// The same rules with no cleverness: every prefix in a map, every one compared.
class Model {
 public:
  void insert(int family, Address address, uint8_t length, uint32_t peer) {
    prefixes_[{family, masked(address, length), length}] = peer;
  }
  void remove(int family, Address address, uint8_t length, uint32_t peer) {
    const auto found = prefixes_.find({family, masked(address, length), length});
    if (found != prefixes_.end() && found->second == peer) prefixes_.erase(found);
  }
  void remove_peer(uint32_t peer) {
    std::erase_if(prefixes_, [&](const auto& entry) { return entry.second == peer; });
  }
  uint32_t lookup(int family, const Address& address) const {
    int best = -1;
    uint32_t found = kNoPeer;
    for (const auto& [prefix, peer] : prefixes_) {
      const auto& [its_family, its_address, length] = prefix;
      if (its_family != family || length <= best || masked(address, length) != its_address) continue;
      best = length;
      found = peer;
    }
    return found;
  }

 private:
  static Address masked(Address address, uint8_t length) {
    for (unsigned i = length; i < 128; ++i) address[i / 8] &= static_cast<uint8_t>(~(0x80 >> i % 8));
    return address;
  }
  std::map<std::tuple<int, Address, uint8_t>, uint32_t> prefixes_;
};

TEST(AllowedIps, AgreesWithModel) {
  std::mt19937 random(20200117);
  AllowedIps table;
  Model model;
  // Addresses that share long beginnings, so that prefixes nest, meet and part at every depth.
  const auto address = [&](int family) {
    Address a{};
    const unsigned bits = family == 4 ? 32 : 128;
    const unsigned from = random() % bits;
    for (unsigned i = 0; i < bits; ++i) {
      const bool set = i < from ? i % 3 == 0 : random() % 2 != 0;
      if (set) a[i / 8] |= static_cast<uint8_t>(0x80 >> i % 8);
    }
    return a;
  };
  for (int step = 0; step < 20000; ++step) {
    const int family = random() % 2 == 0 ? 4 : 6;
    const Address a = address(family);
    const auto length = static_cast<uint8_t>(random() % (family == 4 ? 33 : 129));
    const uint32_t peer = random() % 12;
    switch (random() % 16) {
      case 0:
        if (random() % 8 != 0) break;
        table.remove_peer(peer);
        model.remove_peer(peer);
        break;
      case 1:
      case 2:
      case 3:
      case 4:
        table.remove(family, a.data(), length, peer);
        model.remove(family, a, length, peer);
        break;
      default:
        table.insert(family, a.data(), length, peer);
        model.insert(family, a, length, peer);
    }
    for (int i = 0; i < 4; ++i) {
      const Address probe = address(family);
      ASSERT_EQ(lookup(table, family, probe), model.lookup(family, probe)) << "step " << step;
    }
  }
}

// Coming and going leaves no forks behind, so memory follows the number of prefixes.
TEST(PrefixTrie, RemovalLeavesNothing) {
  std::mt19937 random(7);
  PrefixTrie<uint32_t> trie;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::pair<uint32_t, uint8_t>> prefixes;
    for (int i = 0; i < 200; ++i) {
      prefixes.emplace_back(static_cast<uint32_t>(random()), static_cast<uint8_t>(random() % 33));
      trie.insert(prefixes.back().first, prefixes.back().second, 3);
    }
    EXPECT_LE(trie.size(), 2 * prefixes.size());
    std::shuffle(prefixes.begin(), prefixes.end(), random);
    for (const auto& [key, length] : prefixes) trie.remove(key, length, 3);
    ASSERT_EQ(trie.size(), 1u);
  }
}

TEST(AllowedIps, PeerThatReturnsStartsEmpty) {
  AllowedIps table;
  const uint8_t address[4] = {10, 0, 0, 1};
  table.insert(4, address, 32, 131071);
  table.remove_peer(131071);
  table.remove_peer(131071);
  EXPECT_EQ(table.lookup4(address), kNoPeer);
  table.insert(4, address, 24, 131071);
  EXPECT_EQ(table.lookup4(address), 131071u);
}

}  // namespace
}  // namespace weft::routing
