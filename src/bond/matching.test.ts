import { describe, expect, test } from 'vitest';
import { type MatchablePath, matchPaths } from './matching.js';

let nextId = 0;

/**
 * "eth0>r1 20": uplink, remote, RTT; "!" behind it: chosen before. A remote that ends with "6" is IPv6, one that begins with
 * "nat" is not named by the peer.
 */
function paths(...texts: readonly string[]): MatchablePath[] {
  nextId = 0;
  return texts.map((text) => {
    const [, uplink = '', remote = '', rtt, mark] = /^(\S+)>(\S+) (\d+|-)(!?)$/.exec(text) ?? [];
    return {
      id: nextId++,
      uplink,
      remote,
      family: remote.endsWith('6') ? 6 : 4,
      named: !remote.startsWith('nat'),
      rttMs: rtt === '-' ? null : Number(rtt),
      chosen: mark === '!',
    };
  });
}

function matched(list: MatchablePath[], remoteUplinks = 1): string[] {
  const chosen = matchPaths(list, remoteUplinks);
  return list.filter(({ id }) => chosen.has(id)).map(({ uplink, remote }) => `${uplink}>${remote}`);
}

describe('which paths are used', () => {
  test('two uplinks and two endpoints: each once, by round-trip time', () => {
    const all = paths('a>r1 10', 'a>r2 40', 'b>r1 30', 'b>r2 60');
    expect(matched(all, 2)).toEqual(['a>r1', 'b>r2']);
  });

  test('two uplinks and one endpoint: both go there', () => {
    expect(matched(paths('a>r1 10', 'b>r1 30'))).toEqual(['a>r1', 'b>r1']);
  });

  test('one uplink, and a peer with two: both of its endpoints', () => {
    expect(matched(paths('a>r1 10', 'a>r2 30', 'a>r3 50'), 2)).toEqual(['a>r1', 'a>r2']);
  });

  test('one uplink each: one path, though the peer has three addresses', () => {
    expect(matched(paths('a>r1 12', 'a>r2 10', 'a>r3 50'), 1)).toEqual(['a>r2']);
  });

  test('both families of one uplink are one way', () => {
    const all = paths('a>r1 10', 'a>r16 9', 'b>r1 30', 'b>r16 29', 'a>r2 20', 'b>r2 40');
    expect(matched(all, 2).every((path) => !path.endsWith('6'))).toBe(true);
  });

  test('the family by which more uplinks have a way', () => {
    const all = paths('a>r1 10', 'a>r16 20', 'b>r26 30');
    expect(matched(all, 2)).toEqual(['a>r16', 'b>r26']);
  });

  test('of a peer with two uplinks the endpoints that it names: a NAT’s may be one of them again', () => {
    const all = paths('a>nat1 5!', 'a>r1 10', 'a>r2 30');
    expect(matched(all, 2)).toEqual(['a>r1', 'a>r2']);
    expect(matched(all, 1)).toEqual(['a>nat1']);
    expect(matched(paths('a>nat1 5', 'a>nat2 9'), 2)).toEqual(['a>nat1', 'a>nat2']);
  });

  test('a slightly faster one does not displace one in use; a clearly faster one does', () => {
    expect(matched(paths('a>r1 20!', 'a>r2 18'))).toEqual(['a>r1']);
    expect(matched(paths('a>r1 60!', 'a>r2 18'))).toEqual(['a>r2']);
  });

  test('one whose round trip is unknown is the last choice', () => {
    expect(matched(paths('a>r1 -', 'a>r2 500'))).toEqual(['a>r2']);
    expect(matched(paths('a>r1 -'))).toEqual(['a>r1']);
  });

  test('nothing of nothing', () => {
    expect(matched([])).toEqual([]);
  });
});
