// What `weft path` and `weft status` show of bonds: one value a peer.

import type { Verdict } from '../bond/evaluator.js';
import type { Decision } from '../bond/policy.js';
import { formatQuota } from '../bond/quota.js';
import type { Uplink } from '../bond/uplink.js';
import { formatAddress, formatEndpoint } from '../core/address.js';
import type { BondMode, BondPathStatus, BondRole, BondStatus } from '../core/bond.js';

export interface PathReport {
  readonly id: number;
  /** Name of the interface; null: none of the uplinks. */
  readonly uplink: string | null;
  readonly local: string | null;
  readonly remote: string;
  /** In a word: `active`, `standby`, `off`, `excluded`, `trying`. */
  readonly state: PathWord;
  readonly role: BondRole;
  /** Per cent, 10-100. */
  readonly weight: number;
  readonly points: number;
  /** Share of what is sent to the peer now, 0-1. */
  readonly share: number;
  readonly rttMs: number | null;
  readonly minRttMs: number | null;
  readonly delayDifferenceMs: number;
  readonly queueDelayMs: number;
  readonly jitterMs: number;
  readonly loss: number;
  readonly rateBitsPerSecond: number;
  readonly deliveredBitsPerSecond: number;
  readonly offeredBitsPerSecond: number;
  readonly mtu: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly sentPackets: number;
  readonly lostPackets: number;
  readonly repairedPackets: number;
  readonly lastReceivedAgoMs: number | null;
  /** Why it is used as it is: the data plane's word, the policy's, the evaluator's. Most important first. */
  readonly reasons: readonly string[];
}

export type PathWord = 'active' | 'standby' | 'off' | 'excluded' | 'trying';

export interface BondReport {
  readonly member: string;
  readonly mode: BondMode;
  readonly paths: readonly PathReport[];
  readonly buffered: number;
  readonly late: number;
  readonly provenLost: number;
  readonly timedOut: number;
  readonly longestHoldMs: number;
}

export interface UplinkReport {
  readonly name: string;
  readonly role: Uplink['role'];
  readonly addresses: readonly string[];
  readonly weight: number;
  readonly quota: string | null;
  readonly usedBytes: number | null;
  readonly spent: boolean;
}

/** Answer of the control socket to `paths`. */
export interface PathsResult {
  readonly uplinks: readonly UplinkReport[];
  readonly bonds: readonly BondReport[];
  /** Why the member that was asked about has no bond; null: it has, or none was asked about. */
  readonly reason: string | null;
}

/** Of a member, for the columns of `weft status`. */
export interface BondSummary {
  readonly mode: BondMode;
  readonly active: number;
  readonly paths: number;
  readonly deliveredBitsPerSecond: number;
}

/** A path, and what was decided about it. */
export interface JudgedPath {
  readonly status: BondPathStatus;
  readonly uplink: string | null;
  readonly decision: Decision;
  readonly verdict: Verdict;
  /** As the data plane was told. */
  readonly weight: number;
}

export function bondReport(
  member: string,
  mode: BondMode,
  status: BondStatus,
  paths: readonly JudgedPath[],
  nowMs: number,
): BondReport {
  const offered = paths.reduce((sum, path) => sum + path.status.offeredBitsPerSecond, 0);
  const { buffered, late, provenLost, timedOut, longestHoldMs } = status;
  return {
    member,
    mode,
    paths: paths.map((path) => pathReport(path, offered, nowMs)),
    buffered,
    late,
    provenLost,
    timedOut,
    longestHoldMs,
  };
}

export function bondSummary({ mode, paths }: BondReport): BondSummary {
  return {
    mode,
    active: paths.filter(({ state }) => state === 'active').length,
    paths: paths.length,
    deliveredBitsPerSecond: paths.reduce((sum, path) => sum + path.deliveredBitsPerSecond, 0),
  };
}

export function uplinkReport(
  uplink: Uplink,
  usedBytes: number | null,
  spent: boolean,
): UplinkReport {
  const { name, role, weight, quota, v4, v6 } = uplink;
  const addresses = [v4, v6].filter((address) => address !== null).map(formatAddress);
  const text = quota && formatQuota(quota);
  return { name, role, addresses, weight, quota: text, usedBytes, spent };
}

function pathReport(path: JudgedPath, offered: number, nowMs: number): PathReport {
  const { status, uplink, decision, verdict, weight } = path;
  const { way, lastReceivedMs, phase: _phase, reason: _reason, generation: _generation } = status;
  const share = offered > 0 ? status.offeredBitsPerSecond / offered : 0;
  return {
    id: status.id,
    uplink,
    local: way.local && formatAddress(way.local),
    remote: formatEndpoint(way.remote, String),
    state: pathWord(status),
    role: decision.role,
    weight,
    points: verdict.points,
    share,
    rttMs: status.rttMs,
    minRttMs: status.minRttMs,
    delayDifferenceMs: status.delayDifferenceMs,
    queueDelayMs: status.queueDelayMs,
    jitterMs: status.jitterMs,
    loss: status.loss,
    rateBitsPerSecond: status.rateBitsPerSecond,
    deliveredBitsPerSecond: status.deliveredBitsPerSecond,
    offeredBitsPerSecond: status.offeredBitsPerSecond,
    mtu: status.mtu,
    sentBytes: status.sentBytes,
    receivedBytes: status.receivedBytes,
    sentPackets: status.sentPackets,
    lostPackets: status.lostPackets,
    repairedPackets: status.repairedPackets,
    lastReceivedAgoMs: lastReceivedMs === 0 ? null : Math.max(0, nowMs - lastReceivedMs),
    reasons: [planeReason(status), decision.reason, ...verdict.findings].filter(
      (text) => text !== '',
    ),
  };
}

export function pathWord({ phase, reason }: BondPathStatus): PathWord {
  if (phase !== 'active' || reason === 'unvalidated') return 'trying';
  if (reason === 'apart') return 'standby';
  if (reason === 'active' || reason === 'standby' || reason === 'off') return reason;
  return 'excluded';
}

/** What the data plane says of it, in words; empty: nothing beyond that it is used. */
function planeReason(status: BondPathStatus): string {
  if (pathWord(status) === 'trying') return 'no answer to its challenge yet';
  switch (status.reason) {
    case 'loss':
      return 'excluded: more than 3 % of its packets were lost; back after 1 s with less than 1 %';
    case 'silent':
      return 'excluded: nothing came back by it';
    case 'refused':
      return 'excluded: the host refuses to send by it (link down, or no route)';
    case 'standby':
      return 'stands by: others are used while they work';
    case 'apart':
      return 'stands by: a stream over it too would be slower (much more delay, or losses for little more)';
    case 'off':
      return 'carries nothing, and is measured on';
    default:
      return status.capped
        ? 'kept at its rate: above it packets were lost though no queue grew, as by a policer; more is tried while there is that much to send'
        : '';
  }
}
