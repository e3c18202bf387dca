// Bonds as a user sees them: members and uplinks in, what the data plane is told and what is reported out.

import { beforeEach, describe, expect, test } from 'vitest';
import type { Uplink } from '../bond/uplink.js';
import { formatAddress, formatEndpoint, parseAddress, parseEndpoint } from '../core/address.js';
import type { BondPathStatus, BondPolicy, BondStatus } from '../core/bond.js';
import type { Path, PeerId } from '../core/types.js';
import { UNMEASURED } from '../dataplane/fake-bond.js';
import type { NodeId } from '../mesh/types.js';
import type { Peer } from '../wg/device.js';
import { BOND_DEFAULTS, type BondConfig } from './bond-config.js';
import { BondDriver, type BondMember } from './bond-driver.js';
import { MeshLog } from './mesh-log.js';
import { UplinkUsage } from './uplinks-usage.js';

/** The data plane as far as bonds go. A way is proven at once, in the place of its order. */
class FakePlane {
  now = 1_000_000;
  readonly bonds = new Map<PeerId, readonly Path[]>();
  readonly policies = new Map<PeerId, BondPolicy>();
  readonly calls: string[] = [];
  /** How often it was asked for a status. */
  asked = 0;
  /** Differences from a healthy idle path, by remote address. */
  readonly changes = new Map<string, Partial<BondPathStatus>>();

  nowMs(): number {
    return this.now;
  }

  setBond(id: PeerId, ways: readonly Path[] | null): void {
    this.calls.push(`setBond ${id} ${ways === null ? 'null' : ways.length}`);
    if (ways === null) this.bonds.delete(id);
    else this.bonds.set(id, ways);
  }

  setBondPolicy(id: PeerId, policy: BondPolicy): void {
    this.calls.push(`setBondPolicy ${id}`);
    this.policies.set(id, policy);
  }

  bondStatus(id: PeerId): BondStatus | null {
    this.asked++;
    const ways = this.bonds.get(id);
    if (ways === undefined) return null;
    const paths = ways.map((way, place): BondPathStatus => {
      return { ...HEALTHY, id: place, way, lastReceivedMs: this.now - 100, ...this.#changeOf(way) };
    });
    return { paths, buffered: 0, late: 0, provenLost: 0, timedOut: 0, longestHoldMs: 0 };
  }

  #changeOf({ remote, interfaceIndex }: Path): Partial<BondPathStatus> {
    const address = formatAddress(remote.address);
    return this.changes.get(`${interfaceIndex}>${address}`) ?? this.changes.get(address) ?? {};
  }
}

const HEALTHY = {
  ...UNMEASURED,
  phase: 'active',
  reason: 'active',
  rttMs: 20,
  minRttMs: 20,
  mtu: 1400,
} as const;

function uplink(name: string, index: number, address: string, more: Partial<Uplink> = {}): Uplink {
  return {
    name,
    role: 'normal',
    weight: 100,
    quota: null,
    index,
    v4: parseAddress(address),
    v6: null,
    defaultV4: true,
    defaultV6: false,
    connected: [],
    ...more,
  };
}

const ETH = uplink('eth0', 2, '198.51.100.1');
const LTE = uplink('wwan0', 3, '198.51.100.2');

function member(number: number, capabilities: readonly string[], ...endpoints: string[]) {
  const parsed = endpoints
    .map((text) => parseEndpoint(text, () => null))
    .filter((endpoint) => endpoint !== null);
  return {
    id: `${number}`.repeat(64) as NodeId,
    name: `n${number}`,
    capabilities,
    peer: { id: number as PeerId } as Peer,
    endpoints: parsed,
    recorded: parsed,
  };
}

const BONDED = member(1, ['bond/1', 'uplinks/2'], '203.0.113.1:1', '203.0.113.2:1');
const PLAIN = member(2, [], '203.0.113.9:1');

let plane: FakePlane;
let uplinks: Uplink[];
let members: BondMember[];
let config: BondConfig;
let driver: BondDriver;

beforeEach(() => {
  plane = new FakePlane();
  uplinks = [ETH, LTE];
  members = [BONDED, PLAIN];
  config = BOND_DEFAULTS;
  const log = new MeshLog('error', () => {});
  driver = new BondDriver({
    plane,
    log,
    config: () => config,
    uplinks: () => uplinks,
    members: () => members,
    usage: new UplinkUsage({
      store: { readUsage: () => new Map(), writeUsage: () => {} },
      log,
      nowMs: () => plane.now,
      today: () => '2025-11-21',
    }),
  });
});

function run(seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    plane.now += 1_000;
    driver.review();
  }
}

/** "eth0>203.0.113.1 normal 100" by path. */
function paths(of: { id: NodeId } = BONDED): string[] {
  return (driver.report(of.id)?.paths ?? []).map(({ uplink: name, remote, role, weight }) => {
    return `${name}>${remote.replace(/:\d+$/, '')} ${role} ${weight}`;
  });
}

function reasons(place: number): string {
  return driver.report(BONDED.id)?.paths[place]?.reasons.join('; ') ?? '';
}

describe('who gets a bond', () => {
  test('members that signed the capability; a plain peer is never spoken of', () => {
    run(20);
    expect(plane.calls.filter((call) => /^\w+ 2\b/.test(call))).toEqual([]);
    const ways = plane.bonds.get(BONDED.peer.id)?.map(({ interfaceIndex, local, remote }) => {
      return [interfaceIndex, local && formatAddress(local), formatEndpoint(remote, String)];
    });
    expect(ways).toEqual([
      [2, '198.51.100.1', '203.0.113.1:1'],
      [3, '198.51.100.2', '203.0.113.2:1'],
      [2, '198.51.100.1', '203.0.113.2:1'],
      [3, '198.51.100.2', '203.0.113.1:1'],
    ]);
  });

  test('nobody, if neither side has a second uplink', () => {
    uplinks = [ETH];
    members = [member(1, ['bond/1'], '203.0.113.1:1')];
    run(3);
    expect(plane.calls).toEqual([]);
    expect(driver.whyNot(BONDED.id)).toBe('neither side has a second uplink');
  });

  test('a member with two uplinks, though we have one', () => {
    uplinks = [ETH];
    run(1);
    expect(plane.bonds.get(BONDED.peer.id)).toHaveLength(2);
  });

  test('nobody with Bond = off, and the bonds that are end', () => {
    run(1);
    config = { ...BOND_DEFAULTS, enabled: false };
    run(1);
    expect(plane.calls.at(-1)).toBe('setBond 1 null');
    expect(driver.capabilities()).toEqual([]);
    expect(driver.whyNot(BONDED.id)).toContain('Bond = off');
    expect(driver.whyNot(PLAIN.id)).toContain('Bond = off');
  });

  test('a member that no longer offers it loses it', () => {
    run(1);
    members = [{ ...BONDED, capabilities: [] }];
    run(1);
    expect(plane.calls.at(-1)).toBe('setBond 1 null');
    expect(driver.whyNot(BONDED.id)).toContain('does not offer bonds');
  });

  test('a peer that was removed and added again is told anew, and its policy too', () => {
    run(2);
    plane.bonds.clear();
    const before = plane.calls.length;
    members = [{ ...BONDED, peer: { id: 1 as PeerId } as Peer }];
    run(2);
    expect(plane.calls.slice(before)).toEqual(['setBond 1 4', 'setBondPolicy 1']);
  });

  test('nothing is told twice', () => {
    run(1);
    const before = plane.calls.length;
    run(60);
    expect(plane.calls.length).toBe(before);
  });

  test('a calm bond is looked at seldom, one in use each second', () => {
    run(60);
    expect(plane.asked).toBeLessThan(25);
    plane.changes.set('203.0.113.1', { offeredBitsPerSecond: 1 });
    run(5);
    plane.asked = 0;
    run(60);
    expect(plane.asked).toBe(60);
  });

  test('never our own address', () => {
    members = [member(1, ['bond/1'], '198.51.100.1:1', '203.0.113.1:1')];
    run(1);
    const remotes = plane.bonds.get(BONDED.peer.id)?.map(({ remote }) => remote.address[0]);
    expect(remotes).toEqual([203, 203]);
  });
});

describe('what this node says of itself', () => {
  test('its capability and the number of its uplinks', () => {
    expect(driver.capabilities()).toEqual(['bond/1', 'uplinks/2']);
    uplinks = [ETH, { ...LTE, role: 'off' }];
    expect(driver.capabilities()).toEqual(['bond/1']);
  });

  test('where each uplink is reached, before any is named twice', () => {
    uplinks = [{ ...ETH, v6: parseAddress('2001:db8::1') }, LTE];
    expect(driver.endpoints(7).map((each) => formatEndpoint(each, String))).toEqual([
      '198.51.100.1:7',
      '198.51.100.2:7',
      '[2001:db8::1]:7',
    ]);
  });
});

describe('uplinks come and go', () => {
  test('one that is unplugged has no ways from the next look on, and all when it is back', () => {
    run(2);
    uplinks = [ETH];
    driver.review();
    expect(plane.bonds.get(BONDED.peer.id)?.every((way) => way.interfaceIndex === 2)).toBe(true);
    uplinks = [ETH, LTE];
    driver.review();
    expect(plane.bonds.get(BONDED.peer.id)).toHaveLength(4);
  });

  test('the last but one that goes leaves the bond for ten minutes: it may come back', () => {
    members = [{ ...BONDED, capabilities: ['bond/1'] }];
    run(2);
    uplinks = [ETH];
    run(598);
    expect(plane.bonds.get(BONDED.peer.id)).toHaveLength(2);
    uplinks = [];
    run(1);
    expect(plane.bonds.get(BONDED.peer.id)).toEqual([]);
    run(2);
    expect(plane.bonds.has(BONDED.peer.id)).toBe(false);
  });
});

describe('what the paths are used for', () => {
  test('each uplink its best, the others stand by', () => {
    plane.changes.set('2>203.0.113.1', { minRttMs: 10 });
    plane.changes.set('3>203.0.113.2', { minRttMs: 15 });
    run(1);
    expect(paths()).toEqual([
      'eth0>203.0.113.1 normal 100',
      'wwan0>203.0.113.2 normal 100',
      'eth0>203.0.113.2 backup 100',
      'wwan0>203.0.113.1 backup 100',
    ]);
    expect(plane.policies.get(BONDED.peer.id)?.roles.slice(0, 4)).toEqual([
      'normal',
      'normal',
      'backup',
      'backup',
    ]);
  });

  test('two uplinks of the peer, not one of them twice because a NAT shows it under another address', () => {
    uplinks = [ETH];
    const [nat] = OTHER;
    members = [{ ...BONDED, endpoints: nat ? [nat, ...BONDED.endpoints] : [] }];
    plane.changes.set('203.0.113.3', { minRttMs: 1 });
    run(1);
    expect(paths()).toEqual([
      'eth0>203.0.113.3 backup 100',
      'eth0>203.0.113.1 normal 100',
      'eth0>203.0.113.2 normal 100',
    ]);
  });

  test('a lossy path loses weight, and gets it back when it is well', () => {
    let packets = 0;
    const second = (lost: number) => {
      packets += 1_000;
      const before = plane.changes.get('3>203.0.113.2')?.lostPackets ?? 0;
      plane.changes.set('3>203.0.113.2', {
        sentPackets: packets,
        lostPackets: before + lost,
        offeredBitsPerSecond: 10e6,
        deliveredBitsPerSecond: 10e6,
      });
      run(1);
    };
    for (let i = 0; i < 21; i++) second(0);
    expect(paths()[1]).toBe('wwan0>203.0.113.2 normal 100');
    for (let i = 0; i < 10; i++) second(120);
    expect(paths()[1]).toBe('wwan0>203.0.113.2 normal 55');
    expect(plane.policies.get(BONDED.peer.id)?.weights[1]).toBe(55);
    expect(reasons(1)).toContain('12 % lost: 20 points');
    for (let i = 0; i < 11; i++) second(0);
    expect(plane.policies.get(BONDED.peer.id)?.weights[1]).toBe(100);
  });

  test('the weight of the configuration is the most', () => {
    uplinks = [ETH, { ...LTE, weight: 40 }];
    run(1);
    expect(paths()[1]).toBe('wwan0>203.0.113.2 normal 40');
  });

  test('modes, rules and repair go down as they are configured', () => {
    config = { ...BOND_DEFAULTS, mode: 'redundant', repair: false };
    run(1);
    expect(plane.policies.get(BONDED.peer.id)).toMatchObject({ mode: 'redundant', repair: false });
    config = BOND_DEFAULTS;
    driver.review(true);
    expect(plane.policies.get(BONDED.peer.id)).toMatchObject({ mode: 'aggregate', repair: true });
  });

  test('a metered uplink is off when its quota is spent, headers counted, and says so', () => {
    const quota = { bytes: 1_000_000, period: 'month' } as const;
    uplinks = [ETH, { ...LTE, role: 'metered', quota }];
    run(1);
    const carry = (sentBytes: number, sentPackets: number) => {
      plane.changes.set('3>203.0.113.2', { sentBytes, sentPackets });
      run(2);
    };
    carry(900_000, 1_000);
    expect(driver.uplinkReports()[1]).toMatchObject({ usedBytes: 928_000, spent: false });
    expect(paths()[1]).toContain('normal');
    carry(972_000, 1_000);
    expect(driver.uplinkReports()[1]).toMatchObject({ usedBytes: 1_000_000, spent: true });
    expect(paths().filter((path) => path.startsWith('wwan0'))).toEqual([
      'wwan0>203.0.113.2 off 100',
      'wwan0>203.0.113.1 off 100',
    ]);
    expect(reasons(1)).toContain('the quota of wwan0 (1MB/month) is spent until next month');
  });
});

test('what a path carried is counted once, also if it begins anew and counts on', () => {
  uplinks = [ETH, { ...LTE, quota: { bytes: 1_000_000, period: 'day' } }];
  run(1);
  const used = (sentBytes: number, generation: number) => {
    plane.changes.set('3>203.0.113.2', { sentBytes, generation });
    run(5);
    return driver.uplinkReports()[1]?.usedBytes;
  };
  expect(used(500, 1)).toBe(500);
  expect(used(700, 2)).toBe(700);
  expect(used(100, 3)).toBe(800);
});

describe('orders of the user', () => {
  beforeEach(() => run(1));

  test('drain a path by its number, and undrain it', () => {
    driver.order(BONDED, 'drain', '0');
    expect(paths()[0]).toBe('eth0>203.0.113.1 off 100');
    expect(reasons(0)).toContain('drained by you');
    // the uplink's other way takes its place
    expect(paths()[2]).toContain('normal');
    driver.order(BONDED, 'undrain', '0');
    expect(paths()[0]).toBe('eth0>203.0.113.1 normal 100');
  });

  test('drain an uplink: every path of it, also those to come', () => {
    driver.order(BONDED, 'drain', 'eth0');
    expect(paths().filter((path) => / off /.test(path))).toHaveLength(2);
    members = [{ ...BONDED, endpoints: [...BONDED.endpoints, ...OTHER] }];
    run(1);
    expect(paths().filter((path) => path.startsWith('eth0') && !/ off /.test(path))).toEqual([]);
    expect(() => driver.order(BONDED, 'undrain', '0')).toThrow('all of eth0 is, undrain that');
    driver.order(BONDED, 'undrain', null);
    expect(paths().filter((path) => / off /.test(path))).toEqual([]);
  });

  test('pin one at a time', () => {
    driver.order(BONDED, 'pin', 'wwan0');
    driver.order(BONDED, 'pin', '0');
    expect(paths().filter((path) => path.includes('pinned'))).toEqual([
      'eth0>203.0.113.1 pinned 100',
    ]);
    driver.order(BONDED, 'unpin', null);
    expect(paths().filter((path) => path.includes('pinned'))).toEqual([]);
  });

  test('an order holds for the way, not for its number', () => {
    driver.order(BONDED, 'drain', '1');
    uplinks = [LTE];
    run(1);
    uplinks = [ETH, LTE];
    run(1);
    expect(paths().filter((path) => / off /.test(path))).toEqual(['wwan0>203.0.113.2 off 100']);
  });

  test('what there is not', () => {
    expect(() => driver.order(BONDED, 'pin', '9')).toThrow('n1 has no path 9');
    expect(() => driver.order(PLAIN, 'pin', '0')).toThrow('no bond with n2: it does not offer');
    expect(() => driver.order(BONDED, 'undrain', '0')).toThrow('path 0 is not drained');
  });
});

const OTHER = [parseEndpoint('203.0.113.3:1', () => null)].filter((each) => each !== null);

describe('the report', () => {
  test('says of each path how much it carries, and why', () => {
    plane.changes.set('2>203.0.113.1', { offeredBitsPerSecond: 30e6 });
    plane.changes.set('3>203.0.113.2', { offeredBitsPerSecond: 10e6 });
    plane.changes.set('203.0.113.2', { phase: 'validating', reason: 'unvalidated' });
    run(1);
    const [first, second, third] = driver.report(BONDED.id)?.paths ?? [];
    expect(first).toMatchObject({ state: 'active', share: 0.75, local: '198.51.100.1' });
    expect(second).toMatchObject({ share: 0.25 });
    expect(third).toMatchObject({ state: 'trying' });
    expect(third?.reasons[0]).toBe('no answer to its challenge yet');
    for (const path of driver.report(BONDED.id)?.paths ?? []) {
      expect(path.reasons.length).toBeGreaterThan(0);
    }
  });

  test('says what the data plane excluded', () => {
    plane.changes.set('3>203.0.113.2', { reason: 'silent' });
    run(1);
    expect(driver.report(BONDED.id)?.paths[1]).toMatchObject({ state: 'excluded' });
    expect(reasons(1)).toContain('nothing came back by it');
  });

  test('says what is behind a policer', () => {
    plane.changes.set('3>203.0.113.2', { capped: true });
    run(1);
    expect(driver.report(BONDED.id)?.paths[1]).toMatchObject({ state: 'active' });
    expect(reasons(1)).toContain('kept at its rate');
    expect(reasons(0)).not.toContain('kept at its rate');
  });
});
