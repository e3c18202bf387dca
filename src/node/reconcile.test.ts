import { beforeEach, describe, expect, test } from 'vitest';
import { FakeNode, FakeWorld } from '../../test/support/fake-node.js';
import {
  addressing,
  authorityKey,
  certify,
  DAY,
  identity,
  meshCrypto,
  NOW,
  record,
} from '../../test/support/mesh.js';
import { formatEndpoint, formatPrefix, parseEndpoint, parsePrefix } from '../core/address.js';
import type { Endpoint, Prefix, PublicKey } from '../core/types.js';
import { type AddressClaim, addressKey, deriveV4, resolveAddresses } from '../mesh/addresses.js';
import { createIdentity, type Identity } from '../mesh/identity.js';
import { TrustStore } from '../mesh/trust.js';
import type { Member, MemberRecord, NodeId } from '../mesh/types.js';
import { createPlainDevice } from './plain-device.js';
import { type PeerPlan, PeerSync, type PlanInput, planPeers } from './reconcile.js';

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text, () => null);
  if (parsed === null) throw new Error(text);
  return parsed;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

const idOf = (digit: number) => String(digit).repeat(64) as NodeId;
const keyOf = (digit: number) => `${digit}f`.repeat(32) as PublicKey;

function member(digit: number, fields: Partial<Member & MemberRecord> = {}): Member {
  const { state = 'alive', observedEndpoint = null, ...record } = fields;
  return {
    id: idOf(digit),
    state,
    stateSinceMs: 0,
    lastHeardMs: 0,
    rttMs: null,
    observedEndpoint,
    record: {
      id: idOf(digit),
      incarnation: 1,
      name: `n${digit}`,
      endpoints: [endpoint(`192.0.2.${digit}:7`)],
      addresses: [Uint8Array.of(10, 86, 0, digit)],
      addressCounter: 0,
      routes: [],
      capabilities: [],
      certificate: new Uint8Array(0),
      left: false,
      ...record,
    },
  };
}

function plan(members: readonly Member[], changes: Partial<PlanInput> = {}): PeerPlan[] {
  const owners = new Map(
    members.map(({ id, record }) => [String(record.addresses[0]), id] as const).reverse(),
  );
  return planPeers({
    members,
    keyOf: (id) => keyOf(Number(id[0])),
    ownerOf: (address) => owners.get(String(address)) ?? null,
    staticPeers: [],
    acceptsRoute: () => true,
    acceptsAddress: () => true,
    isInside: (address) => address[0] === 10,
    ...changes,
  });
}

function prefixesOf(plans: readonly PeerPlan[], digit: number): string[] | undefined {
  return plans.find(({ publicKey }) => publicKey === keyOf(digit))?.allowedIps.map(formatPrefix);
}

describe('the plan', () => {
  test('has no address that it may not have here', () => {
    const [first] = plan([member(1)], { acceptsAddress: () => false });
    expect(first?.allowedIps).toEqual([]);
  });

  test('has a peer for each member with its address, whatever gossip thinks of it', () => {
    const plans = plan([member(2, { state: 'dead' }), member(1), member(3, { state: 'suspect' })]);
    expect(plans.map(({ member: id }) => id?.[0])).toEqual(['1', '2', '3']);
    expect(prefixesOf(plans, 2)).toEqual(['10.86.0.2/32']);
  });

  test('has none for a member that left, nor for one without a valid key', () => {
    const left = plan([member(1, { state: 'left' }), member(2)]);
    expect(left.map(({ member: id }) => id?.[0])).toEqual(['2']);
    expect(plan([member(1)], { keyOf: () => null })).toEqual([]);
  });

  test('gives an address that two claim to its owner only', () => {
    const address = Uint8Array.of(10, 86, 0, 9);
    const both = [member(1, { addresses: [address] }), member(2, { addresses: [address] })];
    const plans = plan(both, { ownerOf: () => idOf(2) });
    expect(prefixesOf(plans, 1)).toEqual([]);
    expect(prefixesOf(plans, 2)).toEqual(['10.86.0.9/32']);
  });

  test('gives a route that two offer to the first that is alive', () => {
    const routes = [prefix('192.168.7.0/24')];
    const both = (state: 'alive' | 'dead') => [member(1, { routes, state }), member(2, { routes })];
    expect(prefixesOf(plan(both('alive')), 1)).toContain('192.168.7.0/24');
    expect(prefixesOf(plan(both('dead')), 1)).not.toContain('192.168.7.0/24');
    expect(prefixesOf(plan(both('dead')), 2)).toContain('192.168.7.0/24');
  });

  test('lets no route take the address of another member', () => {
    const thief = member(1, { routes: [prefix('10.86.0.2/32')] });
    expect(prefixesOf(plan([thief, member(2)]), 2)).toEqual(['10.86.0.2/32']);
    expect(prefixesOf(plan([thief, member(2)]), 1)).toEqual(['10.86.0.1/32']);
  });

  describe('with an exported device', () => {
    const v4Prefix = prefix('10.86.0.0/26');
    const [authority, gateway, spare] = [identity(1), identity(2), identity(3)];
    const trust = new TrustStore(meshCrypto, {
      keys: [authorityKey(authority)],
      revocations: [],
      addressing: { ...addressing, v4Prefix },
    });
    const derived = (id: NodeId) => deriveV4(meshCrypto, v4Prefix, id, 0);
    const used = [gateway, spare].map(({ id }) => derived(id));
    const { address } = createPlainDevice(meshCrypto, 'phone', v4Prefix, used);
    const phone = { address, length: 32 };

    /** Makes identities until one is due the device's address. */
    const mine = (): Identity => {
      for (let n = 0; ; n++) {
        const seed = new Uint8Array(32);
        new DataView(seed.buffer).setUint32(0, n);
        const made = createIdentity(meshCrypto, seed);
        if (addressKey(derived(made.id)) === addressKey(address)) return made;
      }
    };

    /** The plan of whoever trusts the authority, once all that are certified have joined. */
    const planOf = (
      joined: readonly { owner: Identity; routes: Prefix[]; state?: Member['state'] }[],
    ) => {
      const claims: AddressClaim[] = [];
      const members = joined.map(({ owner, routes, state = 'alive' }) => {
        // who offers the device was certified anew for that, after all others
        const notBefore = routes.length > 0 ? NOW : NOW - DAY;
        const certificate = certify(authority, owner, { routes, notBefore });
        const claimed = record(owner, { certificate, routes, addresses: [derived(owner.id)] });
        const verdict = trust.judge(claimed, NOW);
        if (!verdict.ok) throw new Error(verdict.detail);
        claims.push({
          id: owner.id,
          record: claimed,
          pinned: verdict.pinned,
          since: verdict.since,
        });
        return { ...member(1, { state }), id: owner.id, record: claimed };
      });
      const { owners, losers } = resolveAddresses(meshCrypto, claims, v4Prefix);
      const plans = plan(members, {
        keyOf: (id) => id as string as PublicKey,
        ownerOf: (each) => owners.get(addressKey(each)) ?? null,
      });
      const holder = plans.find(({ allowedIps }) =>
        allowedIps.some((each) => formatPrefix(each) === formatPrefix(phone)),
      );
      return { holder: holder?.member, losers };
    };

    test('leaves its address to the node that exports it, whatever identities somebody makes', () => {
      const miner = mine();
      const { holder, losers } = planOf([
        { owner: miner, routes: [] },
        { owner: gateway, routes: [phone] },
      ]);
      expect(holder).toBe(gateway.id);
      expect(losers).toEqual([miner.id]);
    });

    test('reaches it through another that offers it, when the first is dead', () => {
      const miner = { owner: mine(), routes: [] };
      const both = (dead: Identity) =>
        [gateway, spare].map((owner) => ({
          owner,
          routes: [phone],
          state: owner === dead ? ('dead' as const) : ('alive' as const),
        }));
      expect(planOf([miner, ...both(gateway)]).holder).toBe(spare.id);
      expect(planOf([miner, ...both(spare)]).holder).toBe(gateway.id);
      expect(planOf([miner, ...both(spare)]).losers).toEqual([miner.owner.id]);
    });
  });

  test('leaves out routes that are not accepted', () => {
    const offering = member(1, { routes: [prefix('0.0.0.0/0'), prefix('192.168.7.0/24')] });
    const plans = plan([offering], { acceptsRoute: (route) => route.length > 0 });
    expect(prefixesOf(plans, 1)).toEqual(['10.86.0.1/32', '192.168.7.0/24']);
  });

  test('prefers where gossip comes from, and never an address inside the mesh', () => {
    const [peer] = plan([
      member(1, {
        observedEndpoint: endpoint('203.0.113.1:9'),
        endpoints: [endpoint('10.86.0.1:7'), endpoint('203.0.113.1:9'), endpoint('192.0.2.1:7')],
      }),
    ]);
    expect(peer?.endpoints.map((each) => formatEndpoint(each, String))).toEqual([
      '203.0.113.1:9',
      '192.0.2.1:7',
    ]);
  });

  test('keeps configured prefixes for static peers', () => {
    const phone: PeerPlan = {
      publicKey: keyOf(8),
      allowedIps: [prefix('10.86.0.1/32')],
      endpoints: [],
      presharedKey: null,
      persistentKeepalive: 0,
      member: null,
    };
    const plans = plan([member(1)], { staticPeers: [phone] });
    expect(prefixesOf(plans, 8)).toEqual(['10.86.0.1/32']);
    expect(prefixesOf(plans, 1)).toEqual([]);
  });
});

describe('the device', () => {
  let world: FakeWorld;
  let node: FakeNode;
  let other: FakeNode;
  let sync: PeerSync;

  beforeEach(async () => {
    world = new FakeWorld();
    [node, other] = [new FakeNode(world, 1), new FakeNode(world, 2)];
    for (const each of [node, other]) {
      each.driver.setListenPort(1000);
      each.dataPlane.setLink(true);
    }
    await world.scheduler.settle();
    sync = new PeerSync(node.dataPlane.stats);
  });

  function peerPlan(fields: Partial<PeerPlan> = {}): PeerPlan {
    return {
      publicKey: other.publicKey,
      allowedIps: [{ address: other.inner, length: 32 }],
      endpoints: [endpoint('192.0.2.2:1000')],
      presharedKey: null,
      persistentKeepalive: 0,
      member: idOf(2),
      ...fields,
    };
  }

  const apply = (...plans: PeerPlan[]) =>
    node.driver.perform((device, nowMs) => sync.apply(nowMs, device, plans));
  const review = () => node.driver.perform((device, nowMs) => sync.review(nowMs, device));
  const peer = () => node.device.peer(other.publicKey);
  const where = () => {
    const at = peer()?.endpoint;
    return at ? formatEndpoint(at, String) : null;
  };

  test('has what is planned, without a session', async () => {
    apply(peerPlan({ presharedKey: new Uint8Array(32).fill(7), persistentKeepalive: 25 }));
    expect(peer()?.allowedIps().map(formatPrefix)).toEqual(['10.9.0.2/32']);
    expect(peer()?.presharedKey[0]).toBe(7);
    expect(peer()?.persistentKeepaliveSeconds).toBe(25);
    apply(peerPlan());
    expect(peer()?.presharedKey[0]).toBe(0);
    expect(where()).toBe('192.0.2.2:1000');
    expect(peer()?.lastHandshake).toBeNull();
  });

  test('loses peers that are no longer planned, and keeps those of others', () => {
    apply(peerPlan());
    node.driver.perform((device, nowMs) => device.addPeer(nowMs, keyOf(9)));
    apply();
    expect(peer()).toBeUndefined();
    expect(node.device.peer(keyOf(9))).toBeDefined();
  });

  test('moves a prefix between peers in any order', () => {
    const moving = prefix('192.168.7.0/24');
    const third = (allowedIps: Prefix[]) => peerPlan({ publicKey: keyOf(3), allowedIps });
    apply(peerPlan({ allowedIps: [moving] }), third([]));
    apply(peerPlan({ allowedIps: [] }), third([moving]));
    expect(peer()?.allowedIps()).toEqual([]);
    expect(node.device.peer(keyOf(3))?.allowedIps().map(formatPrefix)).toEqual(['192.168.7.0/24']);
    apply(peerPlan({ allowedIps: [moving] }), third([]));
    expect(peer()?.allowedIps().map(formatPrefix)).toEqual(['192.168.7.0/24']);
  });

  test('never has itself as a peer', () => {
    apply(peerPlan({ publicKey: node.publicKey }));
    expect(node.device.peerCount).toBe(0);
  });

  async function talk(): Promise<void> {
    other.addPeer(node);
    node.driver.perform((device, nowMs) => {
      const found = peer();
      if (found) device.handshakeNeeded(nowMs, found.id);
    });
    await world.scheduler.settle();
    expect(peer()?.lastHandshake).not.toBeNull();
  }

  test('follows a member that moved once its session is quiet, not before', async () => {
    apply(peerPlan());
    await talk();
    apply(peerPlan({ endpoints: [endpoint('192.0.2.9:1')] }));
    expect(where()).toBe('192.0.2.2:1000');
    await world.scheduler.advance(6_000);
    review();
    expect(where()).toBe('192.0.2.9:1');
  });

  test('leaves an endpoint that WireGuard learnt', async () => {
    apply(peerPlan());
    await talk();
    node.driver.perform((device) => {
      const found = peer();
      if (found) device.endpointChanged(found.id, endpoint('198.51.100.1:5'));
    });
    await world.scheduler.advance(60_000);
    apply(peerPlan());
    review();
    expect(where()).toBe('198.51.100.1:5');
  });

  test('tries one endpoint after the other while there is no answer', async () => {
    const endpoints = ['192.0.2.77:1', '192.0.2.2:1000'].map(endpoint);
    apply(peerPlan({ endpoints }));
    other.addPeer(node);
    await world.scheduler.advance(60_000);
    review();
    expect(where()).toBe('192.0.2.77:1');
    node.driver.perform((device, nowMs) => {
      const found = peer();
      if (found) device.handshakeNeeded(nowMs, found.id);
    });
    for (let second = 0; second < 8; second++) {
      await world.scheduler.advance(1_000);
      review();
    }
    expect(where()).toBe('192.0.2.2:1000');
    await world.scheduler.advance(6_000);
    expect(peer()?.lastHandshake).not.toBeNull();
  });
});
