// Path-compressed binary trie of IP prefixes for one address family; the two of AllowedIps are made of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::routing {

inline constexpr uint32_t kNoPeer = UINT32_MAX;

__extension__ typedef unsigned __int128 Uint128;  // an IPv6 address as a number

// Key: an unsigned integer as wide as the address, its first bit the most significant one.
//
// A node stands for a prefix. A child's prefix extends its parent's by at least one bit, and that bit says which child
// it is. A node without a peer has two children, save the root, which is always there and has length 0. Nodes live in
// one array and name each other by position: 20 (IPv4) or 32 bytes (IPv6), plus 8 for the list of the peer's prefixes.
template <class Key>
class PrefixTrie {
 public:
  static constexpr int kBits = sizeof(Key) * 8;

  void insert(Key key, uint8_t length, uint32_t peer);
  void remove(Key key, uint8_t length, uint32_t peer);
  void remove_peer(uint32_t peer);

  uint32_t lookup(Key key) const {
    const Node* nodes = nodes_.data();
    uint32_t found = nodes[kRoot].peer;
    for (uint32_t i = nodes[kRoot].child[bit(key, 0)]; i != kNone;) {
      const Node& node = nodes[i];
      if (((node.key ^ key) >> (kBits - node.length)) != 0) break;
      if (node.peer != kNoPeer) found = node.peer;
      i = node.child[bit(key, node.length)];
    }
    return found;
  }

  // Nodes in use: the root, one for each prefix, and fewer forks than prefixes.
  size_t size() const { return nodes_.size() - free_.size(); }

 private:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = 0;  // no child, end of a list: the root is neither

  struct Node {
    Key key = 0;  // zero past `length`
    uint32_t child[2] = {kNone, kNone};
    uint32_t peer = kNoPeer;
    uint8_t length = 0;
  };

  // Doubly linked list of the nodes of one peer, the root excepted; apart from Node so that look-ups do not load it.
  struct Link {
    uint32_t next = kNone;
    uint32_t previous = kNone;  // kNone: the head
  };

  // At a full-length node there is no such bit; its children are both kNone, so either will do.
  static unsigned bit(Key key, unsigned position) {
    return static_cast<unsigned>(key >> ((kBits - 1 - position) & (kBits - 1))) & 1;
  }
  static Key mask(unsigned length) { return length == 0 ? Key{0} : static_cast<Key>(~Key{0} << (kBits - length)); }
  static unsigned common_bits(Key a, Key b);

  uint32_t allocate(Key key, uint8_t length);
  void assign(uint32_t node, uint32_t peer);
  void replace_child(uint32_t parent, uint32_t child, uint32_t with);
  bool splice(uint32_t parent, uint32_t node);

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<Link> links_ = std::vector<Link>(1);
  std::vector<uint32_t> free_;
  std::vector<uint32_t> heads_;  // by peer
};

extern template class PrefixTrie<uint32_t>;
extern template class PrefixTrie<Uint128>;

}  // namespace weft::routing
