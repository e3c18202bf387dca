// What the fake data plane reads of a plaintext IP packet.

import type { IpAddress } from '../core/types.js';

const V4_HEADER_BYTES = 20;
const V6_HEADER_BYTES = 40;

function version(packet: Uint8Array): 4 | 6 | null {
  const nibble = (packet[0] ?? 0) >> 4;
  if (nibble === 4 && packet.length >= V4_HEADER_BYTES) return 4;
  return nibble === 6 && packet.length >= V6_HEADER_BYTES ? 6 : null;
}

/** Null if it is no IP packet. */
export function innerSource(packet: Uint8Array): IpAddress | null {
  const family = version(packet);
  if (family === null) return null;
  return family === 4 ? packet.slice(12, 16) : packet.slice(8, 24);
}

/** Null if it is no IP packet. */
export function innerDestination(packet: Uint8Array): IpAddress | null {
  const family = version(packet);
  if (family === null) return null;
  return family === 4 ? packet.slice(16, 20) : packet.slice(24, 40);
}

/** Length in bytes by the IP header, which tells the padding; null if the packet is shorter. */
export function innerLength(packet: Uint8Array): number | null {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const length = version(packet) === 4 ? view.getUint16(2) : V6_HEADER_BYTES + view.getUint16(4);
  return length <= packet.length ? length : null;
}
