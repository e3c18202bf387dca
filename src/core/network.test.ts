import { describe, expect, test } from 'vitest';
import { formatPrefix, parseAddress, parsePrefix } from './address.js';
import { covers, isPrivate, overlaps, sameEndpoint } from './network.js';

const net = (text: string) => parsePrefix(text)!;
const ip = (text: string) => parseAddress(text)!;

describe('prefixes', () => {
  test.each([
    ['10.0.0.0/8', '10.86.0.0/16', true],
    ['10.86.0.0/16', '10.86.0.0/16', true],
    ['10.86.0.0/16', '10.0.0.0/8', false],
    ['10.86.0.0/15', '10.87.0.0/16', true],
    ['10.86.0.0/15', '10.88.0.0/16', false],
    ['0.0.0.0/0', '255.0.0.0/8', true],
    ['0.0.0.0/0', '::/0', false],
    ['fd00::/12', 'fd0f::/16', true],
    ['fd00::/12', 'fd10::/16', false],
    ['10.1.2.3/32', '10.1.2.3/32', true],
    ['10.1.2.3/32', '10.1.2.2/32', false],
  ])('%s covers %s: %s', (outer, inner, expected) => {
    expect(covers(net(outer), net(inner))).toBe(expected);
  });

  test('overlap in both directions, but with no default route', () => {
    const mesh = net('10.86.0.0/16');
    const found = (...routes: string[]) => {
      const route = overlaps(mesh, routes.map(net));
      return route && formatPrefix(route);
    };
    expect(found('192.168.0.0/24', '10.86.3.0/24', '10.0.0.0/8')).toBe('10.86.3.0/24');
    expect(found('192.168.0.0/24', '10.0.0.0/8')).toBe('10.0.0.0/8');
    expect(found('0.0.0.0/0', '::/0', '10.87.0.0/16', 'fd00::/8')).toBeNull();
    expect(found()).toBeNull();
  });
});

describe('addresses', () => {
  test.each([
    ['10.0.0.1', true],
    ['11.0.0.1', false],
    ['172.15.255.255', false],
    ['172.16.0.0', true],
    ['172.31.255.255', true],
    ['172.32.0.0', false],
    ['192.168.1.1', true],
    ['192.169.1.1', false],
    ['100.64.0.0', true],
    ['100.128.0.0', false],
    ['fc00::1', true],
    ['fdff::1', true],
    ['fe80::1', false],
    ['2001:db8::1', false],
  ])('%s is reachable within a site only: %s', (text, expected) => {
    expect(isPrivate(ip(text))).toBe(expected);
  });
});

describe('endpoints', () => {
  test('are the same with address, port and scope', () => {
    const endpoint = { address: ip('fe80::1'), port: 7, scopeId: 2 };
    expect(sameEndpoint(endpoint, { ...endpoint, address: ip('fe80::1') })).toBe(true);
    expect(sameEndpoint(endpoint, { ...endpoint, address: ip('fe80::2') })).toBe(false);
    expect(sameEndpoint(endpoint, { ...endpoint, address: ip('10.0.0.1') })).toBe(false);
    expect(sameEndpoint(endpoint, { ...endpoint, port: 8 })).toBe(false);
    expect(sameEndpoint(endpoint, { ...endpoint, scopeId: 3 })).toBe(false);
  });
});
