// The writing half of the trie: insertion, removal and the lists by peer.
#include "routing/prefix_trie.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace weft::routing {

template <class Key>
unsigned PrefixTrie<Key>::common_bits(Key a, Key b) {
  const Key difference = a ^ b;
  if constexpr (sizeof(Key) == 16) {
    const auto high = static_cast<uint64_t>(difference >> 64);
    if (high == 0) return 64 + static_cast<unsigned>(std::countl_zero(static_cast<uint64_t>(difference)));
    return static_cast<unsigned>(std::countl_zero(high));
  } else {
    return static_cast<unsigned>(std::countl_zero(difference));
  }
}

template <class Key>
void PrefixTrie<Key>::insert(Key key, uint8_t length, uint32_t peer) {
  key &= mask(length);
  uint32_t at = kRoot;
  while (nodes_[at].length != length) {
    const unsigned side = bit(key, nodes_[at].length);
    const uint32_t child = nodes_[at].child[side];
    if (child == kNone) {
      const uint32_t leaf = allocate(key, length);
      nodes_[at].child[side] = leaf;
      at = leaf;
      break;
    }
    const Key child_key = nodes_[child].key;
    const uint8_t child_length = nodes_[child].length;
    const auto common = static_cast<uint8_t>(std::min<unsigned>({common_bits(child_key, key), length, child_length}));
    if (common == child_length) {
      at = child;
      continue;
    }
    // The prefixes part ways, or ours is the shorter one, above the child: a node for what they share goes between.
    const uint32_t fork = allocate(key & mask(common), common);
    nodes_[fork].child[bit(child_key, common)] = child;
    nodes_[at].child[side] = fork;
    at = fork;
  }
  assign(at, peer);
}

template <class Key>
void PrefixTrie<Key>::remove(Key key, uint8_t length, uint32_t peer) {
  key &= mask(length);
  uint32_t grandparent = kRoot;
  uint32_t parent = kRoot;
  uint32_t at = kRoot;
  while (nodes_[at].length < length) {
    grandparent = parent;
    parent = at;
    at = nodes_[at].child[bit(key, nodes_[at].length)];
    if (at == kNone) return;
  }
  if (nodes_[at].length != length || nodes_[at].key != key || nodes_[at].peer != peer) return;
  assign(at, kNoPeer);
  // A leaf that goes may leave its parent with a single child and no peer of its own.
  if (splice(parent, at)) splice(grandparent, parent);
}

template <class Key>
void PrefixTrie<Key>::remove_peer(uint32_t peer) {
  remove(0, 0, peer);
  if (peer >= heads_.size()) return;
  while (heads_[peer] != kNone) {
    const Node& node = nodes_[heads_[peer]];
    remove(node.key, node.length, peer);
  }
}

template <class Key>
uint32_t PrefixTrie<Key>::allocate(Key key, uint8_t length) {
  uint32_t node;
  if (free_.empty()) {
    node = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
    links_.emplace_back();
  } else {
    node = free_.back();
    free_.pop_back();
    nodes_[node] = {};
    links_[node] = {};
  }
  nodes_[node].key = key;
  nodes_[node].length = length;
  return node;
}

// Moves a node from the list of the peer that holds it to the list of `peer`; kNoPeer has none.
template <class Key>
void PrefixTrie<Key>::assign(uint32_t node, uint32_t peer) {
  const uint32_t old = std::exchange(nodes_[node].peer, peer);
  if (node == kRoot || old == peer) return;
  Link& link = links_[node];
  if (old != kNoPeer) {
    (link.previous == kNone ? heads_[old] : links_[link.previous].next) = link.next;
    if (link.next != kNone) links_[link.next].previous = link.previous;
    link = {};
  }
  if (peer != kNoPeer) {
    if (peer >= heads_.size()) heads_.resize(peer + size_t{1}, kNone);
    link.next = heads_[peer];
    if (link.next != kNone) links_[link.next].previous = node;
    heads_[peer] = node;
  }
}

template <class Key>
void PrefixTrie<Key>::replace_child(uint32_t parent, uint32_t child, uint32_t with) {
  nodes_[parent].child[nodes_[parent].child[1] == child ? 1 : 0] = with;
}

// Takes a node out if it has no peer and fewer than two children. True if it was a leaf.
template <class Key>
bool PrefixTrie<Key>::splice(uint32_t parent, uint32_t node) {
  const Node& gone = nodes_[node];
  if (node == kRoot || gone.peer != kNoPeer) return false;
  if (gone.child[0] != kNone && gone.child[1] != kNone) return false;
  const uint32_t rest = gone.child[0] != kNone ? gone.child[0] : gone.child[1];
  replace_child(parent, node, rest);
  free_.push_back(node);
  return rest == kNone;
}

template class PrefixTrie<uint32_t>;
template class PrefixTrie<Uint128>;

}  // namespace weft::routing
