// Values shared by the parts of the mesh core: who a member is, what it says of itself, what others say of it.

import type { Endpoint, IpAddress, Prefix } from '../core/types.js';

declare const brand: unique symbol;

/** An Ed25519 public key as 64 lower-case hex digits: the identity of a node. Usable as a Map key. */
export type NodeId = string & { readonly [brand]: 'NodeId' };

/** Bounds of what a record may hold; what exceeds them does not decode. */
export const MAX_NAME_BYTES = 63;
export const MAX_ENDPOINTS = 8;
export const MAX_ROUTES = 32;
export const MAX_CAPABILITIES = 16;
export const MAX_CAPABILITY_BYTES = 32;
export const MAX_CERTIFICATE_BYTES = 1024;
export const MAX_MEMBERS = 4096;
/** The latest time that anything signed may name: seconds since 1970, the year 9999. */
export const MAX_SECONDS = 253_402_300_799;

/**
 * What a member says of itself, signed by it. The highest incarnation is the valid one: only the owner can raise it, to
 * change something, to refute an accusation, or to leave.
 */
export interface MemberRecord {
  readonly id: NodeId;
  /** 0 .. 2^32 - 1; persisted, never taken from a clock. */
  readonly incarnation: number;
  /** A DNS label: a-z, 0-9 and hyphens. */
  readonly name: string;
  /** Where its WireGuard port can be reached, best first. */
  readonly endpoints: readonly Endpoint[];
  /** Its mesh addresses: at most one IPv4 and one IPv6, see addresses.ts. */
  readonly addresses: readonly IpAddress[];
  /** What its IPv4 address is derived with: 0, and higher after each lost conflict. */
  readonly addressCounter: number;
  /** Prefixes it offers to carry to. Hold only as far as its certificate allows. */
  readonly routes: readonly Prefix[];
  /** What it can do beyond the basics, such as `bond/1`. Unknown ones are ignored. */
  readonly capabilities: readonly string[];
  /** Its certificate as signed by an authority; empty for a node that is trusted by key. */
  readonly certificate: Uint8Array;
  /** True: it has left on its own account. */
  readonly left: boolean;
}

/** A record with the bytes that were signed, which are passed on as they are. */
export interface SignedRecord {
  readonly record: MemberRecord;
  /** msgpack of the record. */
  readonly payload: Uint8Array;
  /** Ed25519, 64 bytes. */
  readonly signature: Uint8Array;
}

/** "I could not reach `target` at this incarnation": an accusation, signed by the accuser. */
export interface Accusation {
  readonly target: NodeId;
  readonly incarnation: number;
  readonly accuser: NodeId;
  /** Ed25519 of the accuser, 64 bytes. */
  readonly signature: Uint8Array;
}

/** `suspect` and `dead` are our opinion; `left` is the member's own word. */
export type MemberState = 'alive' | 'suspect' | 'dead' | 'left';

/** A member as this node sees it. */
export interface Member {
  readonly id: NodeId;
  readonly record: MemberRecord;
  readonly state: MemberState;
  /** When `state` was entered, on the monotonic clock. */
  readonly stateSinceMs: number;
  /** Last time that it proved to be alive to us: an ack, or tunnel traffic; -Infinity = never. */
  readonly lastHeardMs: number;
  /** Smoothed round-trip time of probes; null before the first ack. */
  readonly rttMs: number | null;
  /** Where its gossip last came from, authenticated; null if it never spoke to us. */
  readonly observedEndpoint: Endpoint | null;
}
