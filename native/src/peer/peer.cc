#include "peer/peer.h"

#include <utility>

namespace weft::peer {

void Peer::data_sent(double now_ms) {
  set_relaxed(stats.last_data_sent_ms, now_ms);
  if (get_relaxed(stats.unanswered_since_ms) == 0) set_relaxed(stats.unanswered_since_ms, now_ms);
}

void Peer::data_received(double now_ms) {
  set_relaxed(stats.last_data_received_ms, now_ms);
  if (get_relaxed(stats.owes_keepalive_since_ms) == 0) {
    set_relaxed(stats.owes_keepalive_since_ms, now_ms);
  } else {
    set_relaxed(another_keepalive, true);
  }
}

void Peer::any_authenticated_packet_sent(double now_ms) {
  set_relaxed(stats.last_sent_ms, now_ms);
  set_relaxed(stats.owes_keepalive_since_ms, 0.0);
}

void Peer::any_authenticated_packet_received(double now_ms) {
  set_relaxed(stats.last_received_ms, now_ms);
  set_relaxed(stats.unanswered_since_ms, 0.0);
}

void tell_bond(Peer& peer) {
  if (!peer.bond) return;
  if (peer.current) peer.bond->start_sending_session(peer.current->remote_index);
  for (const auto* slot : {&peer.previous, &peer.current, &peer.next}) {
    if (*slot) peer.bond->start_receiving_session((*slot)->local_index);
  }
}

Retired install_keypair(Peer& peer, std::unique_ptr<Keypair> keypair) {
  Retired retired;
  if (keypair->initiator) {
    retired[0] = std::move(peer.previous);
    if (peer.next) {
      peer.previous = std::move(peer.next);
      retired[1] = std::move(peer.current);
    } else {
      peer.previous = std::move(peer.current);
    }
    peer.current = std::move(keypair);
  } else {
    retired[0] = std::exchange(peer.next, std::move(keypair));
    retired[1] = std::move(peer.previous);
  }
  tell_bond(peer);
  return retired;
}

std::unique_ptr<Keypair> promote_next(Peer& peer) {
  std::unique_ptr<Keypair> retired = std::move(peer.previous);
  peer.previous = std::move(peer.current);
  peer.current = std::move(peer.next);
  tell_bond(peer);
  return retired;
}

}  // namespace weft::peer
