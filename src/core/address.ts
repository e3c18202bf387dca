// Text of IP addresses, prefixes and endpoints, as the UAPI and configuration write them. Strict: literals only,
// decimal without leading zeros, canonical output (RFC 5952).

import type { Endpoint, IpAddress, Prefix } from './types.js';

/** Finds the interface index of a zone name or number ("eth0", "3"); null if there is no such interface. */
export type ZoneResolver = (zone: string) => number | null;

/** The text of a zone, by interface index. */
export type ZoneNamer = (scopeId: number) => string;

const V4_MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * An unsigned decimal of digits only.
 * @returns null if `text` is not one, or is more than `max`
 */
export function parseDecimal(text: string, max: number): number | null {
  if (!/^[0-9]+$/.test(text)) return null;
  const value = Number(text);
  return value <= max ? value : null;
}

function parseIpv4(text: string): IpAddress | null {
  const address = new Uint8Array(4);
  let octet = -1;
  let count = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e) {
      if (octet < 0 || count === 4) return null;
      address[count++] = octet;
      octet = -1;
    } else {
      // octet 0 followed by a digit would be a leading zero
      if (code < 0x30 || code > 0x39 || octet === 0) return null;
      octet = (octet < 0 ? 0 : octet * 10) + code - 0x30;
      if (octet > 255) return null;
    }
  }
  return count === 4 ? address : null;
}

/** The 16-bit groups of one side of "::"; null if malformed. */
function parseGroups(text: string, ipv4Allowed: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const v4 = ipv4Allowed && i === parts.length - 1 ? parseIpv4(part) : null;
    if (v4 === null) return null;
    const [a = 0, b = 0, c = 0, d = 0] = v4;
    groups.push((a << 8) | b, (c << 8) | d);
  }
  return groups;
}

function parseIpv6(text: string): IpAddress | null {
  const gap = text.indexOf('::');
  const head = parseGroups(gap < 0 ? text : text.slice(0, gap), gap < 0);
  const tail = gap < 0 ? [] : parseGroups(text.slice(gap + 2), true);
  if (head === null || tail === null) return null;
  const given = head.length + tail.length;
  // "::" stands for at least one group (RFC 4291, section 2.2)
  if (gap < 0 ? given !== 8 : given > 7) return null;
  const address = new Uint8Array(16);
  const groups = [...head, ...new Array<number>(8 - given).fill(0), ...tail];
  for (const [i, group] of groups.entries()) {
    address[2 * i] = group >> 8;
    address[2 * i + 1] = group & 0xff;
  }
  return address;
}

/** @returns null if `text` is no IPv4 or IPv6 literal without a zone */
export function parseAddress(text: string): IpAddress | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function isMapped(address: IpAddress): boolean {
  return V4_MAPPED_PREFIX.every((byte, i) => address[i] === byte);
}

/** Start and length of the first longest run of two or more zero groups (RFC 5952, section 4.2). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (end < groups.length && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    if (end > start) start = end;
  }
  return best;
}

export function formatAddress(address: IpAddress): string {
  if (address.length === 4) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}`;
  if (isMapped(address)) return `::ffff:${formatAddress(address.subarray(12))}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((address[i] ?? 0) << 8) | (address[i + 1] ?? 0));
  const hex = groups.map((group) => group.toString(16));
  const run = longestZeroRun(groups);
  if (run.start < 0) return hex.join(':');
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`;
}

function clearHostBits(address: IpAddress, length: number): void {
  const whole = length >> 3;
  if (whole >= address.length) return;
  address[whole] = (address[whole] ?? 0) & ~(0xff >> (length & 7));
  address.fill(0, whole + 1);
}

/** "address/length"; host bits are cleared. Null if it is not one. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/');
  if (slash < 0) return null;
  const address = parseAddress(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (address === null || !/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) return null;
  const length = Number(lengthText);
  if (length > address.length * 8) return null;
  clearHostBits(address, length);
  return { address, length };
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix.address)}/${prefix.length}`;
}

function splitZone(host: string): { address: string; zone: string | null } {
  const percent = host.indexOf('%');
  if (percent < 0) return { address: host, zone: null };
  return { address: host.slice(0, percent), zone: host.slice(percent + 1) };
}

/**
 * "1.2.3.4:port", "[v6]:port" or "[v6%zone]:port". An IPv4-mapped address becomes the IPv4 one, since the IPv6
 * socket takes no IPv4. Null if it is not one.
 */
export function parseEndpoint(text: string, resolveZone: ZoneResolver): Endpoint | null {
  const match = /^(?:\[([^\]]*:[^\]]*)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port > 0xffff) return null;
  const { address: literal, zone } = splitZone(match[1] ?? match[2] ?? '');
  const address = parseAddress(literal);
  if (address === null) return null;
  if (zone !== null) {
    const scopeId = resolveZone(zone);
    return scopeId === null ? null : { address, port, scopeId };
  }
  const plain = address.length === 16 && isMapped(address) ? address.slice(12) : address;
  return { address: plain, port, scopeId: 0 };
}

export function formatEndpoint(endpoint: Endpoint, nameZone: ZoneNamer): string {
  const host = formatAddress(endpoint.address);
  if (endpoint.address.length === 4) return `${host}:${endpoint.port}`;
  const zone = endpoint.scopeId === 0 ? '' : `%${nameZone(endpoint.scopeId)}`;
  return `[${host}${zone}]:${endpoint.port}`;
}
