// Mesh members to WireGuard peers. planPeers() says which peers there should be, from signed records alone; PeerSync makes
// the device so. A member that is dead in gossip keeps its peer: only revoked, expired, departed or forgotten ones lose it.
// No session is made here: WireGuard handshakes when there is a packet to send.

import { formatPrefix } from '../core/address.js';
import { sameEndpoint } from '../core/network.js';
import type { Endpoint, IpAddress, PeerStats, Prefix, PublicKey } from '../core/types.js';
import type { Member, NodeId } from '../mesh/types.js';
import type { Device, Peer } from '../wg/device.js';

/** A session that was heard from so lately chooses its own way: WireGuard roams. */
const HEARD_MS = 5_000;
/** Called for so long without an answer: the next endpoint is tried. One handshake retransmission and a little. */
const UNANSWERED_MS = 6_000;
/** Nothing at all was heard for so long, keepalives included. */
const SILENT_MS = 25_000;
/** What was sent longer ago is no sign that anybody waits. */
const ASKING_MS = 12_000;

/** A WireGuard peer as it should be. */
export interface PeerPlan {
  readonly publicKey: PublicKey;
  readonly allowedIps: readonly Prefix[];
  /** Where it may be, best first. */
  readonly endpoints: readonly Endpoint[];
  /** 32 bytes; null = none. */
  readonly presharedKey: Uint8Array | null;
  /** Seconds; 0 = off. */
  readonly persistentKeepalive: number;
  /** The member it is; null for a static peer. */
  readonly member: NodeId | null;
}

export interface PlanInput {
  readonly members: Iterable<Member>;
  /** The WireGuard key of a member; null if its identity is no valid key. */
  keyOf(id: NodeId): PublicKey | null;
  /** Whose this address is when several members claim it. */
  ownerOf(address: IpAddress): NodeId | null;
  readonly staticPeers: readonly PeerPlan[];
  /** Whether a route that a member offers is used here. */
  acceptsRoute(route: Prefix): boolean;
  /** Whether a member may have an address that it claims. */
  acceptsAddress(member: Member, address: IpAddress): boolean;
  /** Whether an address is inside the mesh: no datagram can be sent to it before there is a tunnel. */
  isInside(address: IpAddress): boolean;
}

/**
 * One peer for each member that is with us, and the static ones. Each prefix has one peer: the configured one, else the
 * member whose address it is, else of those who offer it the first that is alive, in the order of their ids.
 */
export function planPeers(input: PlanInput): PeerPlan[] {
  const members = [...input.members].filter((member) => member.state !== 'left').sort(byId);
  const taken = new Set<string>();
  for (const { allowedIps } of input.staticPeers) {
    for (const prefix of allowedIps) taken.add(formatPrefix(prefix));
  }
  const prefixes = new Map<NodeId, Prefix[]>(members.map(({ id }) => [id, []]));
  const give = (member: Member, prefix: Prefix) => {
    const text = formatPrefix(prefix);
    if (taken.has(text)) return;
    taken.add(text);
    prefixes.get(member.id)?.push(prefix);
  };
  for (const member of members) {
    for (const address of member.record.addresses) {
      if (input.ownerOf(address) !== member.id) continue;
      if (input.acceptsAddress(member, address)) give(member, hostPrefix(address));
    }
  }
  const living = members.filter(({ state }) => state === 'alive');
  const others = members.filter(({ state }) => state !== 'alive');
  for (const member of [...living, ...others]) {
    for (const route of member.record.routes) if (input.acceptsRoute(route)) give(member, route);
  }
  const plans = members.flatMap((member): PeerPlan[] => {
    const publicKey = input.keyOf(member.id);
    if (publicKey === null) return [];
    return [
      {
        publicKey,
        allowedIps: prefixes.get(member.id) ?? [],
        endpoints: endpointsOf(member, input),
        presharedKey: null,
        persistentKeepalive: 0,
        member: member.id,
      },
    ];
  });
  return [...input.staticPeers, ...plans];
}

function byId(a: Member, b: Member): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

export function hostPrefix(address: IpAddress): Prefix {
  return { address, length: address.length * 8 };
}

/** Where its gossip comes from is proven to work; what it says of itself may be behind a NAT. */
function endpointsOf({ observedEndpoint, record }: Member, input: PlanInput): Endpoint[] {
  const candidates = observedEndpoint === null ? [] : [observedEndpoint];
  for (const endpoint of record.endpoints) {
    if (!candidates.some((known) => sameEndpoint(known, endpoint))) candidates.push(endpoint);
  }
  return candidates.filter(({ address }) => !input.isInside(address));
}

interface Synced {
  plan: PeerPlan;
  /** The first endpoint of the plan when the peer was last sent there; a newer one is taken up when nothing is heard. */
  best: Endpoint | null;
  /** Since when it is called without an answer; null: it is not. */
  callingSinceMs: number | null;
}

/** Peers of the device that follow a plan. Those that others made, over the UAPI, are left alone. */
export class PeerSync {
  readonly #synced = new Map<PublicKey, Synced>();
  readonly #stats: PeerStats;

  constructor(stats: PeerStats) {
    this.#stats = stats;
  }

  /** Makes the device as planned. */
  apply(nowMs: number, device: Device, plans: readonly PeerPlan[]): void {
    const wanted = new Set(plans.map(({ publicKey }) => publicKey));
    for (const key of this.#synced.keys()) {
      if (wanted.has(key)) continue;
      const peer = device.peer(key);
      if (peer !== undefined) device.removePeer(peer);
      this.#synced.delete(key);
    }
    for (const plan of plans) this.#applyOne(nowMs, device, plan);
  }

  /** To be called every second or so: looks for members that moved, or are called without an answer. */
  review(nowMs: number, device: Device): void {
    for (const synced of this.#synced.values()) {
      const peer = device.peer(synced.plan.publicKey);
      if (peer === undefined) continue;
      this.#follow(nowMs, device, peer, synced);
      this.#tryNext(nowMs, device, peer, synced);
    }
  }

  #applyOne(nowMs: number, device: Device, plan: PeerPlan): void {
    const peer = device.addPeer(nowMs, plan.publicKey);
    if (peer === null) return; // our own key
    const synced = this.#synced.get(plan.publicKey) ?? { plan, best: null, callingSinceMs: null };
    const hadPresharedKey = synced.plan.presharedKey !== null;
    synced.plan = plan;
    this.#synced.set(plan.publicKey, synced);
    applyPrefixes(device, peer, plan.allowedIps);
    if (plan.presharedKey !== null || hadPresharedKey) {
      device.setPresharedKey(peer, plan.presharedKey ?? NO_KEY);
    }
    this.#follow(nowMs, device, peer, synced);
    if (plan.persistentKeepalive !== peer.persistentKeepaliveSeconds) {
      device.setPersistentKeepalive(nowMs, peer, plan.persistentKeepalive);
    }
  }

  /** Sends to the plan's first endpoint when that is news, unless the session works where it is. */
  #follow(nowMs: number, device: Device, peer: Peer, synced: Synced): void {
    const best = synced.plan.endpoints[0];
    if (best === undefined || (synced.best !== null && sameEndpoint(best, synced.best))) return;
    const { endpoint } = peer;
    if (endpoint !== null && !sameEndpoint(best, endpoint)) {
      if (this.#silentMs(nowMs, peer) < HEARD_MS) return;
    }
    synced.best = best;
    if (endpoint === null || !sameEndpoint(best, endpoint)) device.setEndpoint(nowMs, peer, best);
  }

  #tryNext(nowMs: number, device: Device, peer: Peer, synced: Synced): void {
    const isCalling =
      nowMs - this.#stats.lastSentMs(peer.id) < ASKING_MS &&
      this.#silentMs(nowMs, peer) > SILENT_MS;
    if (!isCalling) {
      synced.callingSinceMs = null;
      return;
    }
    synced.callingSinceMs ??= nowMs;
    if (nowMs - synced.callingSinceMs < UNANSWERED_MS) return;
    synced.callingSinceMs = nowMs;
    const next = following(synced.plan.endpoints, peer.endpoint);
    if (next !== null) device.setEndpoint(nowMs, peer, next);
  }

  /** How long nothing was heard of it; for ever counts from the clock's start. */
  #silentMs(nowMs: number, { id }: Peer): number {
    return nowMs - this.#stats.lastReceivedMs(id);
  }
}

const NO_KEY = new Uint8Array(32);

function applyPrefixes(device: Device, peer: Peer, wanted: readonly Prefix[]): void {
  const before = new Set(peer.allowedIps().map(formatPrefix));
  const after = new Set(wanted.map(formatPrefix));
  const added = wanted.filter((prefix) => !before.has(formatPrefix(prefix)));
  const removed = peer.allowedIps().filter((prefix) => !after.has(formatPrefix(prefix)));
  if (removed.length > 0) device.removeAllowedIps(peer, removed);
  if (added.length > 0) device.addAllowedIps(peer, added);
}

/** The endpoint after `current`, round; null if there is no other. */
function following(endpoints: readonly Endpoint[], current: Endpoint | null): Endpoint | null {
  if (current === null) return endpoints[0] ?? null;
  const at = endpoints.findIndex((endpoint) => sameEndpoint(endpoint, current));
  const next = endpoints[(at + 1) % Math.max(1, endpoints.length)];
  return next === undefined || sameEndpoint(next, current) ? null : next;
}
