// What each path of a bond may be used for: what the user ordered, what its uplink is for, and which paths are one way
// too many. The data plane is told the outcome; people are told the reason.

import type { BondMode, BondPathStatus, BondRole } from '../core/bond.js';
import { type MatchablePath, matchPaths } from './matching.js';
import type { Uplink } from './uplink.js';

/** A path as its policy sees it. */
export interface PolicyPath {
  readonly status: BondPathStatus;
  /** Undefined: it came by an interface that is no uplink. */
  readonly uplink: Uplink | undefined;
  readonly remote: string;
  /** The peer names the remote as that of an uplink. */
  readonly named: boolean;
  /** Why the uplink's quota forbids it; null = it does not. */
  readonly quotaSpent: string | null;
  /** By the user. */
  readonly drained: boolean;
  readonly pinned: boolean;
  /** Chosen the last time. */
  readonly chosen: boolean;
}

export interface Decision {
  readonly role: BondRole;
  readonly reason: string;
  /** It is one of those that are to be used. */
  readonly chosen: boolean;
}

/** A decision for each path, in order. */
export function decideRoles(
  paths: readonly PolicyPath[],
  mode: BondMode,
  remoteUplinks: number,
): Decision[] {
  const first = paths.map((path) => byOrders(path, mode));
  const matchable = paths.flatMap((path, i): MatchablePath[] => {
    const { status, uplink, remote, named, chosen } = path;
    if (first[i] !== null || uplink === undefined || status.phase !== 'active') return [];
    // what is dead keeps its place only if it had one, and as the last: another endpoint of the uplink may live
    if (isDead(status) && !chosen) return [];
    const family = status.way.remote.address.length === 4 ? 4 : 6;
    const rttMs = isDead(status) ? null : status.minRttMs;
    return [{ id: status.id, uplink: uplink.name, remote, family, named, rttMs, chosen }];
  });
  const matched = matchPaths(matchable, remoteUplinks);
  return paths.map((path, i) => first[i] ?? byMatching(path, matched.has(path.status.id)));
}

function byOrders(path: PolicyPath, mode: BondMode): Decision | null {
  const { uplink, quotaSpent } = path;
  const decide = (role: BondRole, reason: string): Decision => ({ role, reason, chosen: false });
  if (path.drained) return decide('off', 'drained by you (weft path undrain)');
  if (uplink === undefined) return decide('backup', 'its interface is none of the uplinks');
  if (uplink.role === 'off') return decide('off', `Role = off for ${uplink.name}`);
  if (quotaSpent !== null) return decide('off', quotaSpent);
  if (path.pinned) return decide('pinned', 'pinned by you (weft path unpin)');
  if (uplink.role === 'backup') return decide('backup', `${uplink.name} is a backup`);
  if (uplink.role === 'metered' && mode !== 'aggregate') {
    return decide('backup', `${uplink.name} is metered: no copies and no second choice by it`);
  }
  return null;
}

function byMatching({ status }: PolicyPath, matched: boolean): Decision {
  if (matched) return { role: 'normal', reason: 'the best way of its uplink', chosen: true };
  if (status.phase !== 'active') {
    return { role: 'normal', reason: 'not proven yet: no answer came by it', chosen: false };
  }
  return { role: 'backup', reason: 'another way of the same uplink is better', chosen: false };
}

function isDead({ reason }: BondPathStatus): boolean {
  return reason === 'silent' || reason === 'refused';
}
