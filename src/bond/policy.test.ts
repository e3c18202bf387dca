import { describe, expect, test } from 'vitest';
import type { BondMode, BondPathStatus } from '../core/bond.js';
import { decideRoles, type PolicyPath } from './policy.js';
import type { Uplink, UplinkRole } from './uplink.js';

function uplink(name: string, role: UplinkRole = 'normal'): Uplink {
  return {
    name,
    role,
    weight: 100,
    quota: null,
    index: 2,
    v4: Uint8Array.of(10, 1, 0, 2),
    v6: null,
    defaultV4: true,
    defaultV6: false,
    connected: [],
  };
}

function path(
  id: number,
  via: Uplink | undefined,
  changes: Partial<PolicyPath> = {},
  status: Partial<BondPathStatus> = {},
): PolicyPath {
  const remote = { address: Uint8Array.of(203, 0, 113, id), port: 1, scopeId: 0 };
  return {
    status: {
      id,
      generation: 1,
      phase: 'active',
      reason: 'active',
      way: { remote, local: null, interfaceIndex: 2 },
      minRttMs: 10 * (id + 1),
      ...status,
    } as BondPathStatus,
    uplink: via,
    remote: `203.0.113.${id}:1`,
    named: true,
    quotaSpent: null,
    drained: false,
    pinned: false,
    chosen: false,
    ...changes,
  };
}

const ETH = uplink('eth0');
const LTE = uplink('wwan0');

function roles(paths: PolicyPath[], mode: BondMode = 'aggregate', remoteUplinks = 1): string[] {
  return decideRoles(paths, mode, remoteUplinks).map(({ role }) => role);
}

describe('what a path may be used for', () => {
  test('the best of each uplink is used, the others stand by', () => {
    expect(roles([path(0, ETH), path(1, ETH), path(2, LTE)])).toEqual([
      'normal',
      'backup',
      'normal',
    ]);
  });

  test('a drained path is off, even if it is pinned, and another of its uplink takes over', () => {
    const drained = path(0, ETH, { drained: true, pinned: true });
    expect(roles([drained, path(1, ETH)])).toEqual(['off', 'normal']);
  });

  test('pinned', () => {
    expect(roles([path(0, ETH), path(1, LTE, { pinned: true })])).toEqual(['normal', 'pinned']);
  });

  test('an uplink whose quota is spent is off, with the reason, whatever the user pinned', () => {
    const spent = path(0, LTE, { quotaSpent: 'the quota is spent', pinned: true });
    expect(decideRoles([spent], 'aggregate', 1)[0]).toMatchObject({
      role: 'off',
      reason: 'the quota is spent',
    });
  });

  test('a backup is one in every mode', () => {
    const backup = uplink('wwan0', 'backup');
    for (const mode of ['aggregate', 'latency', 'redundant'] as const) {
      expect(roles([path(0, ETH), path(1, backup)], mode)).toEqual(['normal', 'backup']);
    }
  });

  test('a metered uplink carries its share, but no copies', () => {
    const metered = uplink('wwan0', 'metered');
    expect(roles([path(0, ETH), path(1, metered)], 'aggregate')).toEqual(['normal', 'normal']);
    expect(roles([path(0, ETH), path(1, metered)], 'redundant')).toEqual(['normal', 'backup']);
    expect(roles([path(0, ETH), path(1, metered)], 'latency')).toEqual(['normal', 'backup']);
  });

  test('what came by no uplink is used when nothing else works', () => {
    expect(roles([path(0, ETH), path(1, undefined)])).toEqual(['normal', 'backup']);
  });

  test('an uplink that is off is off', () => {
    expect(roles([path(0, uplink('eth1', 'off'))])).toEqual(['off']);
  });

  test('of two endpoints by one uplink the living one: the dead one keeps no place', () => {
    const dead = path(0, ETH, { chosen: true }, { reason: 'silent' });
    expect(roles([dead, path(1, ETH)])).toEqual(['backup', 'normal']);
    expect(roles([dead])).toEqual(['normal']);
  });

  test('a lossy path keeps its place: it comes back soon', () => {
    const lossy = path(0, ETH, { chosen: true }, { reason: 'loss' });
    expect(roles([lossy, path(1, ETH)])).toEqual(['normal', 'backup']);
  });

  test('one that is not proven takes nobody’s place', () => {
    const trying = path(0, ETH, {}, { phase: 'validating', minRttMs: null });
    const [first, second] = decideRoles([trying, path(1, ETH)], 'aggregate', 1);
    expect(first?.reason).toContain('not proven');
    expect(second).toMatchObject({ role: 'normal', chosen: true });
  });

  test('every decision has a reason', () => {
    for (const { reason } of decideRoles([path(0, ETH), path(1, ETH)], 'aggregate', 1)) {
      expect(reason).not.toBe('');
    }
  });
});
