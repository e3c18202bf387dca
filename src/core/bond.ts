// A bond as the control plane sees it: all the uplinks between this node and one peer, used as one.

import type { Path } from './types.js';

/** The capability that both ends must have signed before any control frame is sent. */
export const BOND_CAPABILITY = 'bond/1';

/** Beside it, of a node with more than one uplink: this and their number. */
export const UPLINKS_CAPABILITY = 'uplinks/';

/** At most so many paths a peer. */
export const MAX_BOND_PATHS = 8;

/**
 * How the paths are used: `aggregate` all, by earliest delivery; `latency` the fastest that lives; `redundant` each
 * packet on every path.
 */
export type BondMode = 'aggregate' | 'latency' | 'redundant';

/**
 * What a path may be used for: `backup` while no normal path is active; `off` nothing (drained, quota spent), though
 * it is measured; `pinned` while it is active, no other.
 */
export type BondRole = 'normal' | 'backup' | 'off' | 'pinned';

/** `latency`: the fastest path, in order, never late; `sparse`: the fastest path; `bulk`: all paths. */
export type BondClass = 'bulk' | 'sparse' | 'latency';

/** What a packet is; the first rule that matches counts, then the data plane's own. */
export interface BondClassRule {
  /** 0-63; null: any. */
  readonly dscp: number | null;
  readonly protocol: 'tcp' | 'udp' | null;
  /** Of either end, inclusive. */
  readonly firstPort: number;
  readonly lastPort: number;
  /** Of the inner packet, in bytes. */
  readonly maxLength: number;
  readonly class: BondClass;
}

export interface BondPolicy {
  readonly mode: BondMode;
  /** By path id. Missing: `normal`. */
  readonly roles: readonly BondRole[];
  /** By path id, per cent, 10-100: how much of its measured rate the path is trusted with. Missing: 100. */
  readonly weights: readonly number[];
  /** Whether lost packets are sent again. */
  readonly repair: boolean;
  readonly rules: readonly BondClassRule[];
}

export type BondPathPhase = 'candidate' | 'validating' | 'active';

/** Why a path is used as it is. */
export type BondPathReason =
  | 'active'
  | 'loss'
  | 'silent'
  | 'refused'
  | 'standby'
  | 'off'
  | 'unvalidated'
  | 'apart';

export interface BondPathStatus {
  /** 0-7: its place in this node's table. */
  readonly id: number;
  /** Counts up when another way takes this place. */
  readonly generation: number;
  readonly phase: BondPathPhase;
  readonly reason: BondPathReason;
  readonly way: Path;
  /** Smoothed and least round-trip time; null before the first. */
  readonly rttMs: number | null;
  readonly minRttMs: number | null;
  /** Largest UDP payload proven, in bytes. */
  readonly mtu: number;
  /** It loses packets above the rate, though no queue grows: a policer, as of a mobile tariff. */
  readonly capped: boolean;
  /** What it is believed to carry; what arrived and what was sent lately. */
  readonly rateBitsPerSecond: number;
  readonly deliveredBitsPerSecond: number;
  readonly offeredBitsPerSecond: number;
  readonly queueDelayMs: number;
  /** One way, above that of the fastest path. */
  readonly delayDifferenceMs: number;
  readonly jitterMs: number;
  /** Share of the last second's bulk packets that was lost, 0-1. */
  readonly loss: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly lostPackets: number;
  readonly repairedPackets: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  /** On the data plane's clock; 0 = never. */
  readonly lastReceivedMs: number;
}

export interface BondStatus {
  readonly paths: readonly BondPathStatus[];
  /** Packets that wait for others to be put in order. */
  readonly buffered: number;
  readonly late: number;
  readonly provenLost: number;
  readonly timedOut: number;
  readonly longestHoldMs: number;
}
