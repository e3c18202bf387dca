/** What tools print when things are odd must become an error, never a figure. */
import { describe, expect, it } from 'vitest';
import {
  median,
  parseIperfTcp,
  parseIperfUdp,
  parsePerfCycles,
  parsePing,
  quantile,
} from './parse.mjs';

const tcp = (end) => JSON.stringify({ end: { sender_tcp_congestion: 'cubic', ...end } });

describe('parseIperfTcp', () => {
  const received = { sum_received: { bytes: 5e8, bits_per_second: 4e9 } };

  it("takes the receiver's figures", () => {
    const text = tcp({ ...received, sum_sent: { retransmits: 3, bytes: 9e9 } });
    expect(parseIperfTcp(text, 'cubic')).toEqual({ bytes: 5e8, gbps: 4, retransmits: 3 });
  });

  it.each([
    ['', /not JSON.*empty/],
    ['iperf3: interrupt', /not JSON/],
    ['null', /no report/],
    ['{}', /sender used undefined/],
    ['{"error":"unable to connect"}', /unable to connect/],
    [tcp({ sum_sent: { retransmits: 0 } }), /sum_received.bytes/],
    [tcp({ sum_received: { bytes: -1 } }), /sum_received.bytes/],
    [tcp({ sum_received: { bytes: '7' } }), /sum_received.bytes/],
    [tcp({ sum_received: { bytes: 0, bits_per_second: 0 } }), /nothing was delivered/],
  ])('refuses %s', (text, reason) => {
    expect(() => parseIperfTcp(text, 'cubic')).toThrow(reason);
  });

  it('refuses a test that ran with another congestion control', () => {
    expect(() => parseIperfTcp(tcp(received), 'bbr')).toThrow(/-C bbr, the sender used cubic/);
  });
});

describe('parseIperfUdp', () => {
  const udp = (packets, lost_packets, seconds = 2) =>
    JSON.stringify({ end: { sum: { packets, lost_packets, seconds } } });

  it('counts what arrived', () => {
    expect(parseIperfUdp(udp(1000, 250))).toMatchObject({
      delivered: 750,
      deliveredPps: 375,
      offeredPps: 500,
      lossRatio: 0.25,
    });
  });

  it.each([
    [udp(0, 0), /no datagram/],
    [udp(10, 0, 0), /no datagram/],
    [udp(10, 11), /11 of 10/],
    [udp(10, -1), /lost_packets/],
    ['{}', /sum.packets/],
  ])('refuses %s', (text, reason) => {
    expect(() => parseIperfUdp(text)).toThrow(reason);
  });
});

describe('parsePing', () => {
  const reply = (n, time) => `64 bytes from 10.0.0.1: icmp_seq=${n} ttl=64 time=${time} ms\n`;

  it('computes quantiles and loss from the replies', () => {
    const replies = Array.from({ length: 100 }, (_, i) => reply(i, (100 - i) / 10)).join('');
    const text = `${replies}\n--- statistics ---\n125 packets transmitted, 100 received, 20% loss\n`;
    const result = parsePing(text);
    expect(result.p50Ms).toBe(5);
    expect(result.p99Ms).toBe(9.9);
    expect(result.maxMs).toBe(10);
    expect(result.avgMs).toBeCloseTo(5.05);
    expect(result.lossRatio).toBeCloseTo(0.2);
  });

  it.each([
    ['ping: unknown host', /no summary line/],
    ['5 packets transmitted, 0 received, 100% packet loss', /no reply to 5/],
  ])('refuses %s', (text, reason) => {
    expect(() => parsePing(text)).toThrow(reason);
  });
});

describe('parsePerfCycles', () => {
  it('reads the counter', () => {
    expect(parsePerfCycles('# started\n\n123456,,cycles,100,100.00,,\n')).toBe(123456);
  });

  it('says null where the machine has none', () => {
    expect(parsePerfCycles('<not supported>,,cycles,0,100.00,,\n')).toBeNull();
  });

  it.each(['', '99,,instructions,1,100.00,,\n', 'x,,cycles,1,100.00,,\n'])('refuses %j', (text) => {
    expect(() => parsePerfCycles(text)).toThrow(/no cycles/);
  });
});

describe('statistics', () => {
  it('takes the nearest rank', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(quantile([1], 0.99)).toBe(1);
  });

  it('does not order numbers as text', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([1, 2, 10, 20])).toBe(6);
  });
});
