// What the data plane in memory says of a bond: its ways in the order given, none of them proven.

import { type BondStatus, MAX_BOND_PATHS } from '../core/bond.js';
import type { Path } from '../core/types.js';

/** Of a path that nothing is known of. */
export const UNMEASURED = {
  generation: 1,
  phase: 'validating',
  reason: 'unvalidated',
  rttMs: null,
  minRttMs: null,
  mtu: 0,
  capped: false,
  rateBitsPerSecond: 0,
  deliveredBitsPerSecond: 0,
  offeredBitsPerSecond: 0,
  queueDelayMs: 0,
  delayDifferenceMs: 0,
  jitterMs: 0,
  loss: 0,
  sentPackets: 0,
  sentBytes: 0,
  lostPackets: 0,
  repairedPackets: 0,
  receivedPackets: 0,
  receivedBytes: 0,
  lastReceivedMs: 0,
} as const;

export function fakeBondStatus(ways: readonly Path[]): BondStatus {
  const paths = ways.slice(0, MAX_BOND_PATHS).map((way, id) => ({ ...UNMEASURED, id, way }));
  return { paths, buffered: 0, late: 0, provenLost: 0, timedOut: 0, longestHoldMs: 0 };
}
