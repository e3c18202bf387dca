// Addresses, prefixes and endpoints compared: which is in which, and which are the same.

import { sameBytes } from './bytes.js';
import type { Endpoint, IpAddress, Prefix } from './types.js';

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.scopeId === b.scopeId && sameBytes(a.address, b.address);
}

/** True if `inner` lies within `outer`. */
export function covers(outer: Prefix, inner: Prefix): boolean {
  if (outer.address.length !== inner.address.length || outer.length > inner.length) return false;
  return sameBits(outer.address, inner.address, outer.length);
}

/** True if `prefix` holds `address`. */
export function contains(prefix: Prefix, address: IpAddress): boolean {
  return covers(prefix, { address, length: address.length * 8 });
}

function sameBits(a: IpAddress, b: IpAddress, length: number): boolean {
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = length & 7;
  return rest === 0 || ((a[whole] ?? 0) ^ (b[whole] ?? 0)) >> (8 - rest) === 0;
}

/**
 * The first of `routes` that shares addresses with `prefix`: packets for one would go to the other. Default routes are
 * none of them: they hold for what nothing else does.
 * @param routes the connected networks of this host
 */
export function overlaps(prefix: Prefix, routes: Iterable<Prefix>): Prefix | null {
  for (const route of routes) {
    if (route.length > 0 && (covers(route, prefix) || covers(prefix, route))) return route;
  }
  return null;
}

/** Reachable within a site only: RFC 1918, RFC 6598, RFC 4193. */
export function isPrivate(address: IpAddress): boolean {
  const [first = 0, second = 0] = address;
  if (address.length === 16) return (first & 0xfe) === 0xfc;
  return (
    first === 10 ||
    (first === 172 && second >= 16 && second < 32) ||
    (first === 192 && second === 168) ||
    (first === 100 && second >= 64 && second < 128)
  );
}
