/** What tools print when things are odd must become an error, never a figure. */
import { describe, expect, it } from 'vitest';
import {
  checkIperfStopped,
  median,
  parseIperfTcp,
  parsePerfCycles,
  parsePing,
  parseUdpLoad,
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

describe('checkIperfStopped', () => {
  const stopped = (bytes, error = 'interrupt - the client has terminated') =>
    JSON.stringify({
      error,
      end: { sender_tcp_congestion: 'cubic', sum_sent: { bytes }, sum_received: { bytes: 0 } },
    });

  it('accepts a load that was stopped, and one that came to its end', () => {
    checkIperfStopped(stopped(5e8), 'cubic');
    checkIperfStopped(tcp({ sum_sent: { bytes: 5e8 } }), 'cubic');
    const unsaid = JSON.parse(stopped(5e8));
    delete unsaid.end.sender_tcp_congestion;
    checkIperfStopped(JSON.stringify(unsaid), 'cubic');
  });

  it.each([
    [stopped(0), 'cubic', /nothing was sent/],
    [stopped(5e8), 'bbr', /-C bbr, the sender used cubic/],
    [stopped(5e8, 'unable to connect'), 'cubic', /unable to connect/],
    ['', 'cubic', /not JSON/],
  ])('refuses %s for %s', (text, congestion, reason) => {
    expect(() => checkIperfStopped(text, congestion)).toThrow(reason);
  });
});

describe('parseUdpLoad', () => {
  const sent = (fields) => JSON.stringify({ sent: 1000, seconds: 2, ...fields });
  const received = (fields) =>
    JSON.stringify({ received: 750, late: 0, seconds: 1.9, gapCount: 1, gaps: [], ...fields });

  it('counts what arrived', () => {
    expect(parseUdpLoad(sent(), received())).toMatchObject({
      delivered: 750,
      deliveredPps: 375,
      offeredPps: 500,
      lossRatio: 0.25,
    });
  });

  it('takes into account that queues were still running empty after the sender had ended', () => {
    expect(parseUdpLoad(sent(), received({ seconds: 3 })).deliveredPps).toBe(250);
  });

  it.each([
    [sent({ sent: 0 }), received(), /nothing was sent/],
    [sent({ seconds: 0 }), received(), /nothing was sent/],
    [sent(), received({ received: 0 }), /no datagram/],
    [sent(), received({ received: 1001 }), /1001 delivered of 1000/],
    [sent(), received({ late: -1 }), /udp_load: no usable late/],
    [sent(), received({ gaps: undefined }), /no gaps/],
    ['', received(), /not JSON.*empty/],
    [sent(), '{"received": 7', /not JSON/],
  ])('refuses %s %s', (sender, receiver, reason) => {
    expect(() => parseUdpLoad(sender, receiver)).toThrow(reason);
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
