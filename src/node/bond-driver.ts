// Bonds, joined: members that can bond get the ways to be tried (uplinks x their endpoints), and each second a policy from
// what the data plane measured on them. The data plane decides every packet by itself; nothing here is in a hurry.
//
//   uplinks-watch.ts, record endpoints -> bond/ways.ts    -> setBond
//   bondStatus -> bond/evaluator.ts, bond/policy.ts       -> setBondPolicy

import type { Uplink } from '../bond/uplink.js';
import { BOND_CAPABILITY, UPLINKS_CAPABILITY } from '../core/bond.js';
import { WeftError } from '../core/errors.js';
import type { Endpoint } from '../core/types.js';
import type { NodeId } from '../mesh/types.js';
import type { Peer } from '../wg/device.js';
import type { BondConfig } from './bond-config.js';
import { type BondPlane, type PathOrder, PeerBond } from './bond-peer.js';
import { type BondReport, type UplinkReport, uplinkReport } from './bond-status.js';
import type { MeshLog } from './mesh-log.js';
import type { UplinkUsage } from './uplinks-usage.js';

/** Calm bonds are looked at every so many seconds, not all in the same one. */
const CALM_TURNS = 5;
/** A bond that neither side has a second uplink for any more is kept for so long. */
const KEEP_MS = 600_000;

/** A member with a WireGuard peer, as far as bonds are concerned. */
export interface BondMember {
  readonly id: NodeId;
  readonly name: string;
  /** From its signed record. */
  readonly capabilities: readonly string[];
  readonly peer: Peer;
  /** Where it may be, best first. */
  readonly endpoints: readonly Endpoint[];
  /** Where it says that it is. */
  readonly recorded: readonly Endpoint[];
}

export interface BondDriverEnvironment {
  readonly plane: BondPlane;
  readonly usage: UplinkUsage;
  readonly log: MeshLog;
  config(): BondConfig;
  uplinks(): readonly Uplink[];
  members(): Iterable<BondMember>;
}

export class BondDriver {
  readonly #env: BondDriverEnvironment;
  readonly #bonds = new Map<NodeId, PeerBond>();
  #turn = 0;

  constructor(env: BondDriverEnvironment) {
    this.#env = env;
  }

  /** What this node's record says that it can do. */
  capabilities(): string[] {
    if (!this.#env.config().enabled) return [];
    const count = this.#usable().length;
    return count > 1 ? [BOND_CAPABILITY, `${UPLINKS_CAPABILITY}${count}`] : [BOND_CAPABILITY];
  }

  /** Where this node is reached by its uplinks: each has one before any has two. */
  endpoints(port: number): Endpoint[] {
    const uplinks = this.#usable();
    const addresses = [...uplinks.map(({ v4 }) => v4), ...uplinks.map(({ v6 }) => v6)];
    return addresses
      .filter((address) => address !== null)
      .map((address) => ({ address, port, scopeId: 0 }));
  }

  /**
   * Every second.
   * @param atOnce uplinks or the configuration have changed: also bonds that are calm
   */
  review(atOnce = false): void {
    const uplinks = this.#usable();
    if (uplinks.length === 0 && this.#bonds.size === 0) return;
    const wanted = new Set<NodeId>();
    this.#turn++;
    for (const member of this.#env.members()) {
      if (!this.#env.config().enabled || !member.capabilities.includes(BOND_CAPABILITY)) continue;
      const remoteUplinks = uplinksOf(member.capabilities);
      const isNeeded = uplinks.length > 0 && Math.max(uplinks.length, remoteUplinks) > 1;
      const bond = this.#bondFor(member, isNeeded);
      if (bond === null) continue;
      wanted.add(member.id);
      bond.setWays({
        peer: member.peer,
        uplinks: this.#env.uplinks(),
        endpoints: member.endpoints,
        recorded: member.recorded,
        remoteUplinks,
      });
      const isTurn = (this.#turn + wanted.size) % CALM_TURNS === 0;
      bond.review(this.#env.config(), atOnce || isTurn);
    }
    for (const [id, bond] of this.#bonds) {
      if (wanted.has(id)) continue;
      bond.end(this.#peerOf(id));
      this.#bonds.delete(id);
    }
  }

  /** The member's paths; null: there is no bond with it. */
  report(id: NodeId): BondReport | null {
    return this.#bonds.get(id)?.report(this.#env.config().mode) ?? null;
  }

  reports(): BondReport[] {
    return [...this.#bonds.keys()].map((id) => this.report(id)).filter((each) => each !== null);
  }

  uplinkReports(): UplinkReport[] {
    const { usage } = this.#env;
    return this.#env
      .uplinks()
      .map((uplink) => uplinkReport(uplink, usage.used(uplink), usage.spent(uplink) !== null));
  }

  /**
   * @param path number of a path, or name of an uplink; null with `unpin` and `undrain`: all
   * @throws WeftError ENOBOND, ENOPATH
   */
  order(member: { id: NodeId; name: string }, order: PathOrder, path: string | null): void {
    const bond = this.#bonds.get(member.id);
    if (bond === undefined) {
      const why = this.whyNot(member.id) ?? 'it has just begun';
      throw new WeftError('ENOBOND', `no bond with ${member.name}: ${why}`);
    }
    bond.order(order, path);
    bond.review(this.#env.config(), true);
  }

  /** Why there is no bond with a member; null: there is. */
  whyNot(id: NodeId): string | null {
    if (this.#bonds.has(id)) return null;
    if (!this.#env.config().enabled) return 'Bond = off in weft.conf';
    const member = [...this.#env.members()].find((each) => each.id === id);
    if (member === undefined) return 'there is no tunnel to it';
    if (!member.capabilities.includes(BOND_CAPABILITY)) {
      return 'it does not offer bonds (an older version, or Bond = off there)';
    }
    return 'neither side has a second uplink';
  }

  /** On the way out. */
  stop(): void {
    this.#env.usage.save();
  }

  #usable(): Uplink[] {
    return this.#env.uplinks().filter(({ role }) => role !== 'off');
  }

  /** Made when it is needed, and kept for a while: an uplink that went may come back, and flows go on in between. */
  #bondFor(member: BondMember, isNeeded: boolean): PeerBond | null {
    const { plane, usage, log } = this.#env;
    const nowMs = plane.nowMs();
    const known = this.#bonds.get(member.id);
    if (known !== undefined) {
      if (isNeeded) known.neededMs = nowMs;
      return nowMs - known.neededMs < KEEP_MS ? known : null;
    }
    if (!isNeeded) return null;
    const bond = new PeerBond({ plane, usage, log }, member.name);
    bond.neededMs = nowMs;
    this.#bonds.set(member.id, bond);
    return bond;
  }

  #peerOf(id: NodeId): Peer | undefined {
    for (const member of this.#env.members()) if (member.id === id) return member.peer;
    return undefined;
  }
}

/** How many uplinks a record speaks of. */
function uplinksOf(capabilities: readonly string[]): number {
  const text = capabilities.find((each) => each.startsWith(UPLINKS_CAPABILITY));
  const count = Number(text?.slice(UPLINKS_CAPABILITY.length));
  return Number.isInteger(count) && count >= 1 ? Math.min(count, 8) : 1;
}
