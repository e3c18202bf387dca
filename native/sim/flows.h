// What crosses the tunnel: TCP flows, calls, and UDP of other kinds, with what is measured of each at the far end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/tcp_receiver.h"
#include "sim/tcp_sender.h"
#include "sim/tunnel.h"

namespace weft::sim {

// The two ends of the tunnel as a flow sees them.
struct Ends {
  Loop& loop;
  Tunnel* near = nullptr;  // of the sender
  Tunnel* far = nullptr;
  bool forward = true;  // from the first end to the second
  uint16_t number = 0;
};

class Flow {
 public:
  virtual ~Flow() = default;
  // An inner packet of this flow came out of the tunnel; `at_far`: at the receiver's end.
  virtual void receive(std::span<const uint8_t> packet, bool at_far) = 0;
  // Payload that the receiving application has by now.
  virtual uint64_t goodput_bytes() const = 0;
};

class TcpFlow : public Flow {
 public:
  TcpFlow(const Ends& ends, Tcp kind, uint64_t seed);
  void start() { sender_.start(); }
  void stop() { sender_.stop(); }
  void receive(std::span<const uint8_t> packet, bool at_far) override;
  uint64_t goodput_bytes() const override { return uint64_t{receiver_.in_order()} * kSegmentPayload; }
  const TcpSender& sender() const { return sender_; }
  const TcpReceiver& receiver() const { return receiver_; }

 private:
  void emit(const TcpBody& body);
  static constexpr size_t kNotes = 1 << 16;  // more than are under way
  Ends ends_;
  std::vector<TcpBody> notes_{kNotes};
  uint64_t noted_ = 0;
  TcpSender sender_;
  TcpReceiver receiver_;
};

// Datagrams of one size at a rate, each with its number and time.
class UdpFlow : public Flow {
 public:
  struct Kind {
    double packets_per_second = 50;
    uint32_t length = 200;  // inner packet
    uint8_t traffic_class = kExpedited;
    bool poisson = false;
  };
  struct Arrived {
    uint64_t sent_at, at;
    uint32_t number;
  };

  UdpFlow(const Ends& ends, Kind kind, uint64_t seed);
  void start(uint64_t until);
  void receive(std::span<const uint8_t> packet, bool at_far) override;
  uint64_t goodput_bytes() const override { return bytes_; }

  uint64_t sent() const { return sent_; }
  const std::vector<Arrived>& arrived() const { return arrived_; }
  uint64_t duplicates() const { return duplicates_; }
  // That came after a later one; of those sent from then on, seconds from the beginning.
  uint64_t inversions(double from = 0) const;
  // Of those sent in [from, to).
  double delay_ms(double quantile, double from, double to) const;
  double lost_share(double from, double to) const;
  // The longest time in [from, to) without an arrival.
  double longest_gap_ms(double from, double to) const;

 private:
  void emit();
  Ends ends_;
  Kind kind_;
  Random random_;
  Alarm alarm_;
  uint64_t until_ = 0, bytes_ = 0;
  uint32_t sent_ = 0;
  uint64_t duplicates_ = 0;
  std::vector<bool> seen_;
  std::vector<uint64_t> sent_at_;
  std::vector<Arrived> arrived_;
};

}  // namespace weft::sim
