// The byte layouts that cross the addon's boundary, little-endian (docs/dataplane.md). Written and read by the C++ side
// in native/src/binding; what comes from there is trusted.

import type { Datagram, Endpoint, Path, PeerId, Prefix } from '../core/types.js';
import type { ControlBatch, ControlEvent } from './dataplane.js';

const ENDPOINT_BYTES = 24;
export const PATH_BYTES = 48;
const PREFIX_BYTES = 18;
const BATCH_HEADER_BYTES = 16;
const EVENT_BYTES = 40;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function writeEndpoint(bytes: Uint8Array, view: DataView, endpoint: Endpoint): void {
  bytes[0] = endpoint.address.length === 4 ? 4 : 6;
  view.setUint16(2, endpoint.port, true);
  view.setUint32(4, endpoint.scopeId, true);
  bytes.set(endpoint.address, 8);
}

/** 0 u8 family, 2 u16 port, 4 u32 scope id, 8 address[16]. */
export function encodeEndpoint(endpoint: Endpoint): Uint8Array {
  const bytes = new Uint8Array(ENDPOINT_BYTES);
  writeEndpoint(bytes, viewOf(bytes), endpoint);
  return bytes;
}

/** The endpoint's layout with 1 u8 has-local, then 24 local address[16], 40 u32 interface index. */
export function encodePath(path: Path): Uint8Array {
  const bytes = new Uint8Array(PATH_BYTES);
  const view = viewOf(bytes);
  writeEndpoint(bytes, view, path.remote);
  if (path.local !== null) {
    bytes[1] = 1;
    bytes.set(path.local, 24);
  }
  view.setUint32(40, path.interfaceIndex, true);
  return bytes;
}

/** Each prefix u8 family, u8 length, address[16]. */
export function encodePrefixes(prefixes: readonly Prefix[]): Uint8Array {
  const bytes = new Uint8Array(prefixes.length * PREFIX_BYTES);
  for (const [i, { address, length }] of prefixes.entries()) {
    const at = i * PREFIX_BYTES;
    bytes[at] = address.length === 4 ? 4 : 6;
    bytes[at + 1] = length;
    bytes.set(address, at + 2);
  }
  return bytes;
}

function readEndpoint(bytes: Uint8Array, view: DataView, at: number): Endpoint {
  const addressLength = bytes[at] === 4 ? 4 : 16;
  return {
    address: bytes.slice(at + 8, at + 8 + addressLength),
    port: view.getUint16(at + 2, true),
    scopeId: view.getUint32(at + 4, true),
  };
}

export function readPath(bytes: Uint8Array, view: DataView, at: number): Path {
  const remote = readEndpoint(bytes, view, at);
  const hasLocal = bytes[at + 1] === 1;
  return {
    remote,
    local: hasLocal ? bytes.slice(at + 24, at + 24 + remote.address.length) : null,
    interfaceIndex: view.getUint32(at + 40, true),
  };
}

/** What read() returns, with the answers to sync() apart. */
export interface DecodedBatch extends ControlBatch {
  readonly syncedTokens: readonly number[];
}

/**
 * u32 backlog, event count, datagram count, under load; events of 40 bytes (u32 type, a, b, c, endpoint); then datagrams (path,
 * u32 length, bytes, padded to 4).
 */
export function decodeBatch(batch: Uint8Array): DecodedBatch {
  // Without Buffer's slice(), which does not copy: a datagram must not keep its batch alive.
  const bytes = new Uint8Array(batch.buffer, batch.byteOffset, batch.length);
  const view = viewOf(bytes);
  const eventCount = view.getUint32(4, true);
  const datagramCount = view.getUint32(8, true);
  const events: ControlEvent[] = [];
  const syncedTokens: number[] = [];
  let at = BATCH_HEADER_BYTES;
  for (let i = 0; i < eventCount; i++, at += EVENT_BYTES) {
    if (view.getUint32(at, true) === SYNCED) syncedTokens.push(view.getUint32(at + 4, true));
    else events.push(readEvent(bytes, view, at));
  }
  const datagrams: Datagram[] = [];
  for (let i = 0; i < datagramCount; i++) {
    const length = view.getUint32(at + PATH_BYTES, true);
    const start = at + PATH_BYTES + 4;
    datagrams.push({ path: readPath(bytes, view, at), bytes: bytes.slice(start, start + length) });
    at = start + ((length + 3) & ~3);
  }
  return {
    backlog: view.getUint32(0, true),
    underLoad: view.getUint32(12, true) !== 0,
    events,
    datagrams,
    syncedTokens,
  };
}

const SYNCED = 8;

function readEvent(bytes: Uint8Array, view: DataView, at: number): ControlEvent {
  const a = view.getUint32(at + 4, true);
  const peer = a as PeerId;
  const type = view.getUint32(at, true);
  switch (type) {
    case 1:
      return { type: 'handshake-needed', peer };
    case 2:
      return { type: 'keypair-confirmed', peer };
    case 3:
      return { type: 'endpoint-changed', peer, endpoint: readEndpoint(bytes, view, at + 16) };
    case 4:
      return { type: 'keypair-retired', localIndex: a };
    case 5:
      return { type: 'peer-removed', peer };
    case 6: {
      const up = view.getUint32(at + 8, true) !== 0;
      return { type: 'link-changed', up, mtu: view.getUint32(at + 12, true) };
    }
    case 7:
      return { type: 'link-gone' };
    default:
      throw new Error(`the addon sent an unknown event, ${type}: it is of another version`);
  }
}
