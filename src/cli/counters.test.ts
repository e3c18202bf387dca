import { describe, expect, test } from 'vitest';
import { averages, rates } from './counters.js';

const engine = {
  tun_reads: 10,
  tun_read_bytes: 619_000,
  sent_packets: 450,
  send_calls: 10,
  receive_calls: 4,
  received_packets: 6,
  tun_writes: 3,
  tun_write_packets: 5,
  waits: 100,
};

describe('averages', () => {
  test('say how many a call', () => {
    expect(averages(engine)).toEqual({
      bytes_per_tun_read: 61_900,
      segments_per_tun_read: 45,
      datagrams_per_send_call: 45,
      datagrams_per_receive_call: 1.5,
      packets_per_tun_write: 1.67,
      datagrams_per_wait: 4.56,
    });
  });

  test('are left out for what was never done', () => {
    expect(averages({ ...engine, tun_reads: 0, tun_read_bytes: 0, waits: 0 })).toEqual({
      datagrams_per_send_call: 45,
      datagrams_per_receive_call: 1.5,
      packets_per_tun_write: 1.67,
    });
    expect(averages({})).toEqual({});
  });
});

describe('rates', () => {
  const before = { drops: { bad_tag: 3, no_peer: 1 }, engine, device: {} };
  const after = {
    drops: { bad_tag: 4, no_peer: 1 },
    engine: { ...engine, tun_reads: 14, tun_read_bytes: 619_400, sent_packets: 454 },
    device: { 'initiations-sent': 1 },
  };

  test('are what was counted between two readings, a second', () => {
    expect(rates(before, after, 2)).toEqual({
      drops: { bad_tag: 0.5 },
      engine: { tun_reads: 2, tun_read_bytes: 200, sent_packets: 2 },
      device: { 'initiations-sent': 0.5 },
      averages: { bytes_per_tun_read: 100, segments_per_tun_read: 1 },
    });
  });

  test('show nothing when nothing happened', () => {
    expect(rates(before, before, 1)).toEqual({ drops: {}, engine: {}, device: {}, averages: {} });
  });
});
