import { describe, expect, test } from 'vitest';
import type { MemberStatus, NodeStatus } from '../../node/status.js';
import { formatStatus } from './status.js';

const MEMBER: MemberStatus = {
  id: 'b'.repeat(64) as MemberStatus['id'],
  name: 'fra1',
  state: 'alive',
  stateForMs: 60_000,
  lastHeardAgoMs: 5,
  rttMs: 20,
  addresses: ['10.86.0.2'],
  routes: [],
  groups: [],
  trustedBy: 'key',
  expiresInDays: null,
  path: 'direct',
  bond: null,
  incarnation: 1,
  publicKey: '',
  allowedIps: [],
  endpoint: '203.0.113.1:51820',
  rxBytes: 10,
  txBytes: 20,
  handshakeAgoSeconds: 3,
};
const UPLINK = { addresses: [], weight: 100, quota: null, usedBytes: null, spent: false };
const NODE: NodeStatus = {
  version: '0',
  name: 'ams1',
  id: 'a'.repeat(64) as NodeStatus['id'],
  publicKey: '',
  device: 'weft0',
  listenPort: 51820,
  mtu: 1420,
  uptimeMs: 60_000,
  addresses: ['10.86.0.1'],
  endpoints: ['198.51.100.1:51820'],
  routes: [],
  uplinks: [{ ...UPLINK, name: 'eth0', role: 'normal' }],
  mesh: { id: '', prefixes: [] },
  health: { awareness: 0, members: { alive: 1, suspect: 0, dead: 0, left: 0 } },
  trust: { nodes: 1, authorities: [], certificate: null },
  members: [MEMBER],
  peers: [],
  warnings: [],
};

describe('weft status', () => {
  test('says nothing of uplinks and paths where there is one uplink', () => {
    const text = formatStatus(NODE);
    expect(text).not.toMatch(/uplinks|PATHS/);
    expect(text).toContain('fra1  10.86.0.2  direct  203.0.113.1:51820  20.0ms  10 / 20  3s\n');
  });

  test('says how others become members, while there are none', () => {
    const alone = { ...NODE, members: [] };
    expect(formatStatus(alone)).toContain('no other members yet: weft trust add');
    expect(formatStatus(alone)).toContain('trust    1 key, no authority\n');
    const authorities = [{ id: NODE.id, name: 'ams1-authority' }];
    const text = formatStatus({ ...alone, trust: { ...NODE.trust, authorities } });
    expect(text).toContain('no other members yet: weft invite\n');
  });

  test('has a column for the paths of bonds', () => {
    const bond = { mode: 'aggregate', active: 2, paths: 4, deliveredBitsPerSecond: 58e6 } as const;
    const other = { ...MEMBER, name: 'par1' };
    const text = formatStatus({
      ...NODE,
      uplinks: [...NODE.uplinks, { ...UPLINK, name: 'wwan0', role: 'metered' }],
      members: [{ ...MEMBER, bond }, other],
    });
    expect(text).toContain('uplinks  eth0  wwan0 (metered)\n');
    expect(text).toMatch(/VIA +PATHS +RTT/);
    expect(text).toMatch(/fra1 .* 2\/4 58Mbit\/s +20.0ms/);
    expect(text).toMatch(/par1 .* - +20.0ms/);
  });
});
