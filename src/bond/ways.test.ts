import { describe, expect, test } from 'vitest';
import {
  formatAddress,
  formatEndpoint,
  parseAddress,
  parseEndpoint,
  parsePrefix,
} from '../core/address.js';
import type { Endpoint, Path } from '../core/types.js';
import type { Uplink } from './uplink.js';
import { planWays, uplinkOf } from './ways.js';

function uplink(name: string, index: number, ...networks: readonly string[]): Uplink {
  const addresses = networks.map((text) => parseAddress(text.split('/')[0] ?? ''));
  return {
    name,
    role: 'normal',
    weight: 100,
    quota: null,
    index,
    v4: addresses.find((address) => address?.length === 4) ?? null,
    v6: addresses.find((address) => address?.length === 16) ?? null,
    defaultV4: true,
    defaultV6: true,
    connected: networks.map((text) => parsePrefix(text)).filter((prefix) => prefix !== null),
  };
}

function endpoints(...texts: readonly string[]): Endpoint[] {
  return texts.map((text) => parseEndpoint(text, () => null)).filter((each) => each !== null);
}

const ETH = uplink('eth0', 2, '10.1.0.2/24');
const LTE = uplink('wwan0', 3, '10.2.0.2/24');

function text(ways: readonly Path[]): string[] {
  return ways.map(({ remote, local, interfaceIndex }) => {
    return `${interfaceIndex} ${local && formatAddress(local)} > ${formatEndpoint(remote, String)}`;
  });
}

function plan(uplinks: readonly Uplink[], remotes: readonly Endpoint[], count = 2): string[] {
  return text(planWays(uplinks, remotes, count, () => false));
}

describe('the ways to be tried', () => {
  test('first each uplink to another endpoint, then the rest', () => {
    expect(plan([ETH, LTE], endpoints('203.0.113.1:1', '203.0.113.2:1'))).toEqual([
      '2 10.1.0.2 > 203.0.113.1:1',
      '3 10.2.0.2 > 203.0.113.2:1',
      '2 10.1.0.2 > 203.0.113.2:1',
      '3 10.2.0.2 > 203.0.113.1:1',
    ]);
  });

  test('within a family', () => {
    const dual = uplink('eth0', 2, '10.1.0.2/24', '2001:db8::2/64');
    expect(plan([dual, LTE], endpoints('[2001:db8:1::1]:1', '203.0.113.1:1'))).toEqual([
      '2 10.1.0.2 > 203.0.113.1:1',
      '3 10.2.0.2 > 203.0.113.1:1',
      '2 2001:db8::2 > [2001:db8:1::1]:1',
    ]);
  });

  test('private addresses of elsewhere come last, those on a link of ours do not', () => {
    const remotes = endpoints('192.168.7.9:1', '10.2.0.9:1', '203.0.113.1:1');
    expect(plan([LTE], remotes, 1)).toEqual([
      '3 10.2.0.2 > 10.2.0.9:1',
      '3 10.2.0.2 > 203.0.113.1:1',
      '3 10.2.0.2 > 192.168.7.9:1',
    ]);
  });

  test('an uplink without a default route reaches its own network only', () => {
    const lan = { ...LTE, defaultV4: false };
    expect(plan([lan], endpoints('203.0.113.1:1', '10.2.0.9:1'))).toEqual([
      '3 10.2.0.2 > 10.2.0.9:1',
    ]);
  });

  test('one that is off has none', () => {
    expect(plan([{ ...ETH, role: 'off' }], endpoints('203.0.113.1:1'))).toEqual([]);
  });

  test('leave room for those that the peer opens from behind its NATs', () => {
    const many = endpoints(...Array.from({ length: 8 }, (_, i) => `203.0.113.${i + 1}:1`));
    expect(plan([ETH, LTE], many, 1)).toHaveLength(7);
    expect(plan([ETH, LTE], many, 2)).toHaveLength(6);
    expect(plan([ETH, LTE], many, 8)).toHaveLength(4);
  });

  test('do not give up one that works for one that may', () => {
    const many = endpoints(...Array.from({ length: 8 }, (_, i) => `203.0.113.${i + 1}:1`));
    const last = '203.0.113.8:1';
    const ways = planWays([ETH, LTE], many, 2, ({ remote, interfaceIndex }) => {
      return interfaceIndex === 3 && formatEndpoint(remote, String) === last;
    });
    expect(text(ways)[0]).toBe(`3 10.2.0.2 > ${last}`);
    expect(ways).toHaveLength(6);
  });
});

describe('the uplink of a way', () => {
  const [remote] = endpoints('203.0.113.1:1') as [Endpoint];

  test('is that of its interface, else of its address', () => {
    const way = { remote, local: LTE.v4, interfaceIndex: 2 };
    expect(uplinkOf([ETH, LTE], way)?.name).toBe('eth0');
    expect(uplinkOf([ETH, LTE], { ...way, interfaceIndex: 0 })?.name).toBe('wwan0');
    expect(uplinkOf([ETH, LTE], { ...way, interfaceIndex: 9, local: null })).toBeUndefined();
  });
});
