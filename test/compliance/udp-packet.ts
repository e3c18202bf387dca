// Minimal IPv4 packets with UDP payload, as the fake data plane's tunnel carries them. Checksums are left zero.

import type { IpAddress } from '../../src/core/types.js';

const IP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const PROTOCOL_UDP = 17;

export function udpPacket(from: IpAddress, to: IpAddress, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(IP_HEADER_BYTES + UDP_HEADER_BYTES + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, packet.length);
  view.setUint8(8, 64);
  view.setUint8(9, PROTOCOL_UDP);
  packet.set(from, 12);
  packet.set(to, 16);
  view.setUint16(20, 4000);
  view.setUint16(22, 4000);
  view.setUint16(24, UDP_HEADER_BYTES + payload.length);
  packet.set(payload, IP_HEADER_BYTES + UDP_HEADER_BYTES);
  return packet;
}

export function udpPayload(packet: Uint8Array): Uint8Array {
  return packet.subarray(IP_HEADER_BYTES + UDP_HEADER_BYTES);
}
