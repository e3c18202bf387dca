// How bonds cross the addon's boundary, little-endian; the layouts are described in native/src/binding/bond_codec.h.

import type {
  BondClass,
  BondClassRule,
  BondMode,
  BondPathPhase,
  BondPathReason,
  BondPathStatus,
  BondPolicy,
  BondRole,
  BondStatus,
} from '../core/bond.js';
import { MAX_BOND_PATHS } from '../core/bond.js';
import type { Path } from '../core/types.js';
import { encodePath, PATH_BYTES, readPath } from './control-codec.js';

const MODES: readonly BondMode[] = ['aggregate', 'latency', 'redundant'];
const ROLES: readonly BondRole[] = ['normal', 'backup', 'off', 'pinned'];
const CLASSES: readonly BondClass[] = ['bulk', 'sparse', 'latency'];
const PHASES: readonly (BondPathPhase | undefined)[] = [
  undefined,
  'candidate',
  'validating',
  'active',
];
const REASONS: readonly BondPathReason[] = [
  'active',
  'loss',
  'silent',
  'refused',
  'standby',
  'off',
  'unvalidated',
  'apart',
];
const PROTOCOLS = { tcp: 6, udp: 17 } as const;
const MAX_RULES = 255;

const POLICY_HEADER_BYTES = 4 + 2 * MAX_BOND_PATHS;
const RULE_BYTES = 12;
const STATUS_HEADER_BYTES = 40;
const STATUS_PATH_BYTES = 192;

export function encodeWays(ways: readonly Path[]): Uint8Array {
  const bytes = new Uint8Array(ways.length * PATH_BYTES);
  for (const [i, way] of ways.entries()) bytes.set(encodePath(way), i * PATH_BYTES);
  return bytes;
}

export function encodePolicy(policy: BondPolicy): Uint8Array {
  const rules = policy.rules.slice(0, MAX_RULES);
  const bytes = new Uint8Array(POLICY_HEADER_BYTES + rules.length * RULE_BYTES);
  bytes[0] = MODES.indexOf(policy.mode);
  bytes[1] = policy.repair ? 1 : 0;
  bytes[2] = rules.length;
  for (let id = 0; id < MAX_BOND_PATHS; id++) {
    bytes[4 + id] = ROLES.indexOf(policy.roles[id] ?? 'normal');
    bytes[4 + MAX_BOND_PATHS + id] = policy.weights[id] ?? 100;
  }
  const view = new DataView(bytes.buffer);
  for (const [i, rule] of rules.entries()) {
    encodeRule(view, POLICY_HEADER_BYTES + i * RULE_BYTES, rule);
  }
  return bytes;
}

function encodeRule(view: DataView, at: number, rule: BondClassRule): void {
  view.setInt16(at, rule.dscp ?? -1, true);
  view.setUint8(at + 2, rule.protocol === null ? 0 : PROTOCOLS[rule.protocol]);
  view.setUint8(at + 3, CLASSES.indexOf(rule.class));
  view.setUint16(at + 4, rule.firstPort, true);
  view.setUint16(at + 6, rule.lastPort, true);
  view.setUint32(at + 8, rule.maxLength, true);
}

export function decodeBondStatus(bytes: Uint8Array): BondStatus {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint32(0, true);
  const paths = Array.from({ length: count }, (_, i) =>
    decodePathStatus(bytes, view, STATUS_HEADER_BYTES + i * STATUS_PATH_BYTES),
  );
  return {
    paths,
    buffered: view.getUint32(4, true),
    late: view.getFloat64(8, true),
    provenLost: view.getFloat64(16, true),
    timedOut: view.getFloat64(24, true),
    longestHoldMs: view.getFloat64(32, true),
  };
}

function decodePathStatus(bytes: Uint8Array, view: DataView, at: number): BondPathStatus {
  const figure = (i: number) => view.getFloat64(at + 16 + PATH_BYTES + i * 8, true);
  const orNull = (value: number) => (value === 0 ? null : value);
  return {
    id: view.getUint8(at),
    phase: PHASES[view.getUint8(at + 1)] ?? 'candidate',
    reason: REASONS[view.getUint8(at + 2)] ?? 'unvalidated',
    capped: view.getUint8(at + 3) !== 0,
    generation: view.getUint32(at + 4, true),
    mtu: view.getUint32(at + 8, true),
    way: readPath(bytes, view, at + 16),
    rttMs: orNull(figure(0)),
    minRttMs: orNull(figure(1)),
    rateBitsPerSecond: figure(2),
    deliveredBitsPerSecond: figure(3),
    offeredBitsPerSecond: figure(4),
    queueDelayMs: figure(5),
    delayDifferenceMs: figure(6),
    jitterMs: figure(7),
    loss: figure(8),
    sentPackets: figure(9),
    sentBytes: figure(10),
    lostPackets: figure(11),
    repairedPackets: figure(12),
    receivedPackets: figure(13),
    receivedBytes: figure(14),
    lastReceivedMs: figure(15),
  };
}
