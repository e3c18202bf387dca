// Addresses, prefixes and endpoints inside msgpack: byte strings whose length tells the family. The codecs of records,
// certificates, invites and gossip messages use them.

import type { Endpoint, IpAddress, Prefix } from '../core/types.js';
import type { Msgpack } from './msgpack.js';

/** 4 or 16 bytes. */
export function decodeIpAddress(value: Msgpack): IpAddress | null {
  return value instanceof Uint8Array && isIpLength(value.length) ? value : null;
}

/** address | length u8 */
export function encodePrefix(prefix: Prefix): Uint8Array {
  const { address, length } = prefix;
  const bytes = new Uint8Array(address.length + 1);
  bytes.set(address);
  bytes[address.length] = length;
  return bytes;
}

/** Null if host bits are set: one prefix has one encoding. */
export function decodePrefix(value: Msgpack): Prefix | null {
  if (!(value instanceof Uint8Array) || !isIpLength(value.length - 1)) return null;
  const address = value.slice(0, -1);
  const length = value[address.length] ?? 0;
  if (length > address.length * 8) return null;
  for (let bit = length; bit < address.length * 8; bit++) {
    if (((address[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) return null;
  }
  return { address, length };
}

/** address | port u16, big-endian. The scope stays behind: it is an interface of this host. */
export function encodeEndpoint(endpoint: Endpoint): Uint8Array {
  const { address, port } = endpoint;
  const bytes = new Uint8Array(address.length + 2);
  bytes.set(address);
  bytes[address.length] = port >> 8;
  bytes[address.length + 1] = port & 0xff;
  return bytes;
}

/** Null unless `isReachable`. */
export function decodeEndpoint(value: Msgpack): Endpoint | null {
  if (!(value instanceof Uint8Array) || !isIpLength(value.length - 2)) return null;
  const address = value.slice(0, -2);
  const port = ((value[address.length] ?? 0) << 8) | (value[address.length + 1] ?? 0);
  const endpoint = { address, port, scopeId: 0 };
  return isReachable(endpoint) ? endpoint : null;
}

/** True if datagrams can be sent there: a port, and a unicast address. */
export function isReachable({ address, port }: Endpoint): boolean {
  return port !== 0 && isUnicast(address);
}

function isIpLength(length: number): boolean {
  return length === 4 || length === 16;
}

/** Neither unspecified, multicast, nor (IPv4) "this network", reserved and broadcast (RFC 6890, RFC 4291). */
export function isUnicast(address: IpAddress): boolean {
  const first = address[0] ?? 0;
  if (address.length === 4) return first !== 0 && first < 224;
  return first !== 0xff && address.some((byte) => byte !== 0);
}
