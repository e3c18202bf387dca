// The bond with one peer: what the data plane was told of it, what it measured, what was decided, and what the user
// ordered. bond-driver.ts has one for each member.

import { Evaluator, type PathSample } from '../bond/evaluator.js';
import { type Decision, decideRoles, type PolicyPath } from '../bond/policy.js';
import { MIN_WEIGHT, type Uplink } from '../bond/uplink.js';
import { planWays, uplinkOf } from '../bond/ways.js';
import { formatAddress, formatEndpoint } from '../core/address.js';
import {
  type BondMode,
  type BondPathStatus,
  type BondPolicy,
  type BondRole,
  type BondStatus,
  MAX_BOND_PATHS,
} from '../core/bond.js';
import { WeftError } from '../core/errors.js';
import type { Endpoint, IpAddress, Path, PeerId } from '../core/types.js';
import type { Peer } from '../wg/device.js';
import type { BondConfig } from './bond-config.js';
import { type BondReport, bondReport, type JudgedPath, pathWord } from './bond-status.js';
import type { MeshLog } from './mesh-log.js';
import type { UplinkUsage } from './uplinks-usage.js';

/** Telemetry older than this is not fresh: pings alone are one a second. */
const FRESH_MS = 2_000;

/** Nothing was sent, and no path has changed, for so long: the bond is looked at in its turn only. */
const CALM_MS = 10_000;

/** What the user may order; see docs/bond.md. */
export type PathOrder = 'pin' | 'unpin' | 'drain' | 'undrain';

/** What of the data plane a bond uses. */
export interface BondPlane {
  nowMs(): number;
  setBond(id: PeerId, ways: readonly Path[] | null): void;
  setBondPolicy(id: PeerId, policy: BondPolicy): void;
  bondStatus(id: PeerId): BondStatus | null;
}

/** What the ways follow from. */
export interface WayInputs {
  /** Another object if the peer was removed and added again, and so has no bond in the data plane. */
  readonly peer: Peer;
  readonly uplinks: readonly Uplink[];
  /** Of the peer, best first. */
  readonly endpoints: readonly Endpoint[];
  /** As the peer's record has them: those of its uplinks come first. */
  readonly recorded: readonly Endpoint[];
  /** How many uplinks the peer has. */
  readonly remoteUplinks: number;
}

export interface PeerBondEnvironment {
  readonly plane: BondPlane;
  readonly usage: UplinkUsage;
  readonly log: Pick<MeshLog, 'info' | 'debug'>;
}

export class PeerBond {
  /** When one of the two sides last had a second uplink. */
  neededMs = 0;
  readonly #env: PeerBondEnvironment;
  readonly #name: string;
  readonly #evaluator = new Evaluator();
  #inputs: WayInputs | null = null;
  #changedMs = 0;
  /** Phases and reasons of the paths. */
  #words = '';
  /** As the data plane was told. */
  #ways = '';
  #policy = '';
  #paths: readonly JudgedPath[] = [];
  /** By path id: what had been carried when it was last looked at. */
  #carried = new Map<number, { readonly sent: number; readonly received: number }>();
  /** Orders name an uplink, or an uplink and an endpoint: they outlive the path. */
  #pinned: string | null = null;
  readonly #drained = new Set<string>();

  constructor(env: PeerBondEnvironment, name: string) {
    this.#env = env;
    this.#name = name;
  }

  /** Plans the ways again if they may be others. */
  setWays(inputs: WayInputs): void {
    const before = this.#inputs;
    const { peer, uplinks, endpoints, remoteUplinks } = inputs;
    if (
      peer === before?.peer &&
      uplinks === before.uplinks &&
      endpoints === before.endpoints &&
      inputs.recorded === before.recorded &&
      remoteUplinks === before.remoteUplinks
    ) {
      return;
    }
    this.#inputs = inputs;
    const others = endpoints.filter(({ address }) => !isOwn(address, uplinks));
    const ways = planWays(uplinks, others, remoteUplinks, (way) => this.#isProven(way));
    const text = ways.map(wayKey).join('\n');
    if (peer === before?.peer && text === this.#ways) return;
    if (peer !== before?.peer) this.#policy = '';
    this.#ways = text;
    this.#changedMs = this.#env.plane.nowMs();
    this.#env.plane.setBond(peer.id, ways);
  }

  /**
   * Takes in what was measured, and tells the data plane what follows from it. To be called every second.
   * @param isTurn also if the bond is calm
   */
  review(config: BondConfig, isTurn: boolean): void {
    const { plane } = this.#env;
    const nowMs = plane.nowMs();
    if (nowMs - this.#changedMs > CALM_MS && !isTurn) return;
    const status = this.#inputs && plane.bondStatus(this.#inputs.peer.id);
    if (!this.#inputs || status === null) return;
    this.#noteChange(status, nowMs);
    const { peer, uplinks, remoteUplinks } = this.#inputs;
    this.#count(status, uplinks);
    this.#evaluator.observe(
      nowMs,
      status.paths.map((path) => sampleOf(path, nowMs)),
    );
    const paths = status.paths.map((path) => this.#policyPath(path, uplinks));
    const decisions = decideRoles(paths, config.mode, remoteUplinks);
    const judged = paths.map((path, i) => this.#judged(path, decisions[i] as Decision));
    this.#logChanges(judged);
    this.#paths = judged;
    this.#setPolicy(peer.id, config, judged);
  }

  /** @param peer as it is now; undefined: removed, and its bond with it */
  end(peer: Peer | undefined): void {
    if (peer !== undefined && peer === this.#inputs?.peer) this.#env.plane.setBond(peer.id, null);
    this.#inputs = null;
  }

  /** @throws WeftError ENOPATH */
  order(order: PathOrder, path: string | null): void {
    if (order === 'unpin') this.#pinned = null;
    else if (order === 'undrain' && path === null) this.#drained.clear();
    else {
      const target = this.#targetOf(path ?? '');
      if (order === 'pin') this.#pinned = target;
      else if (order === 'drain') this.#drained.add(target);
      else this.#undrain(path ?? '', target);
    }
  }

  report(mode: BondMode): BondReport | null {
    const { plane } = this.#env;
    const status = this.#inputs && plane.bondStatus(this.#inputs.peer.id);
    if (status === null) return null;
    const fresh = new Map(status.paths.map((path) => [pathKey(path), path]));
    const paths = this.#paths.map((path) => {
      return { ...path, status: fresh.get(pathKey(path.status)) ?? path.status };
    });
    return bondReport(this.#name, mode, status, paths, plane.nowMs());
  }

  #isProven(way: Path): boolean {
    const key = wayKey(way);
    return this.#paths.some(({ status }) => {
      return status.phase === 'active' && wayKey(status.way) === key;
    });
  }

  #noteChange({ paths }: BondStatus, nowMs: number): void {
    const words = paths.map((path) => `${pathKey(path)} ${path.phase} ${path.reason}`).join();
    const isLoaded = paths.some((path) => path.offeredBitsPerSecond > 0);
    if (words !== this.#words || isLoaded) this.#changedMs = nowMs;
    this.#words = words;
  }

  #undrain(path: string, target: string): void {
    if (this.#drained.delete(target)) return;
    const uplink = target.split(' ')[0] ?? '';
    const hint = this.#drained.has(uplink) ? `: all of ${uplink} is, undrain that` : '';
    throw new WeftError('ENOPATH', `path ${path} is not drained${hint}`);
  }

  /** What an order is kept as. */
  #targetOf(path: string): string {
    const byUplink = this.#paths.find(({ uplink }) => uplink === path);
    if (byUplink !== undefined) return path;
    const byId = this.#paths.find(({ status }) => String(status.id) === path);
    if (byId !== undefined) return targetOf(byId.uplink ?? '', byId.status.way);
    throw new WeftError(
      'ENOPATH',
      `${this.#name} has no path ${path}: give a number or an uplink of weft path ls`,
    );
  }

  #isOrdered(orders: Iterable<string>, uplink: string, way: Path): boolean {
    const target = targetOf(uplink, way);
    for (const order of orders) if (order === uplink || order === target) return true;
    return false;
  }

  #policyPath(status: BondPathStatus, uplinks: readonly Uplink[]): PolicyPath {
    const uplink = uplinkOf(uplinks, status.way);
    const name = uplink?.name ?? '';
    const before = this.#paths.find((path) => pathKey(path.status) === pathKey(status));
    return {
      status,
      uplink,
      remote: formatEndpoint(status.way.remote, String),
      named: this.#isNamed(status.way.remote),
      quotaSpent: uplink === undefined ? null : this.#env.usage.spent(uplink),
      drained: this.#isOrdered(this.#drained, name, status.way),
      pinned: this.#pinned !== null && this.#isOrdered([this.#pinned], name, status.way),
      chosen: before?.decision.chosen ?? false,
    };
  }

  #isNamed(remote: Endpoint): boolean {
    const { recorded = [], remoteUplinks = 0 } = this.#inputs ?? {};
    const { length } = remote.address;
    const family = recorded.filter(({ address }) => address.length === length);
    const text = formatEndpoint(remote, String);
    const named = family.slice(0, remoteUplinks).map((each) => formatEndpoint(each, String));
    return named.includes(text);
  }

  #judged({ status, uplink }: PolicyPath, decision: Decision): JudgedPath {
    const verdict = this.#evaluator.verdict(pathKey(status));
    const share = (verdict.weight * (uplink?.weight ?? 100)) / 100;
    const weight = Math.max(MIN_WEIGHT, Math.round(share));
    return { status, uplink: uplink?.name ?? null, decision, verdict, weight };
  }

  #setPolicy(id: PeerId, config: BondConfig, paths: readonly JudgedPath[]): void {
    const roles = new Array<BondRole>(MAX_BOND_PATHS).fill('normal');
    const weights = new Array<number>(MAX_BOND_PATHS).fill(100);
    for (const { status, decision, weight } of paths) {
      roles[status.id] = decision.role;
      weights[status.id] = weight;
    }
    const { mode, repair, rules } = config;
    const policy: BondPolicy = { mode, roles, weights, repair, rules };
    const text = JSON.stringify(policy);
    if (text === this.#policy) return;
    this.#policy = text;
    this.#env.plane.setBondPolicy(id, policy);
  }

  /** Bytes as the uplink's provider counts them, with the headers of IP and UDP. */
  #count(status: BondStatus, uplinks: readonly Uplink[]): void {
    const carried = new Map(this.#carried);
    for (const path of status.paths) {
      const header = path.way.remote.address.length === 4 ? 28 : 48;
      const sent = path.sentBytes + path.sentPackets * header;
      const received = path.receivedBytes + path.receivedPackets * header;
      const before = this.#carried.get(path.id) ?? { sent: 0, received: 0 };
      carried.set(path.id, { sent, received });
      const uplink = uplinkOf(uplinks, path.way);
      if (uplink !== undefined) {
        this.#env.usage.add(uplink, since(before.sent, sent) + since(before.received, received));
      }
    }
    this.#carried = carried;
  }

  #logChanges(paths: readonly JudgedPath[]): void {
    for (const { status, uplink, decision } of paths) {
      const before = this.#paths.find((path) => pathKey(path.status) === pathKey(status));
      const word = pathWord(status);
      if (before !== undefined && pathWord(before.status) === word) continue;
      const remote = formatEndpoint(status.way.remote, String);
      const fields = { member: this.#name, path: status.id, uplink, remote };
      const isNews = isWorking(status) !== (before !== undefined && isWorking(before.status));
      if (!isNews) this.#env.log.debug(`path ${word}`, { ...fields, why: decision.reason });
      else if (isWorking(status)) this.#env.log.info('path works', fields);
      else this.#env.log.info('path fails', { ...fields, reason: status.reason });
    }
  }
}

/** What a counter grew by; a path that was begun anew may count on, or from 0. */
function since(before: number, now: number): number {
  return now < before ? now : now - before;
}

/** It may be lossy, or not be used. */
function isWorking(status: BondPathStatus): boolean {
  const { reason } = status;
  return pathWord(status) !== 'trying' && reason !== 'silent' && reason !== 'refused';
}

function sampleOf(path: BondPathStatus, nowMs: number): PathSample {
  return {
    ...path,
    key: pathKey(path),
    active: path.phase === 'active' && path.reason !== 'off',
    excluded: pathWord(path) === 'excluded',
    fresh: path.lastReceivedMs !== 0 && nowMs - path.lastReceivedMs < FRESH_MS,
  };
}

function pathKey({ id, generation }: BondPathStatus): string {
  return `${id}.${generation}`;
}

function wayKey({ remote, local, interfaceIndex }: Path): string {
  const address = local === null ? '*' : formatAddress(local);
  return `${interfaceIndex} ${address} ${formatEndpoint(remote, String)}`;
}

function targetOf(uplink: string, way: Path): string {
  return `${uplink} ${formatEndpoint(way.remote, String)}`;
}

/** Another node may have the same private address as an uplink of ours. */
function isOwn(address: IpAddress, uplinks: readonly Uplink[]): boolean {
  const text = formatAddress(address);
  return uplinks.some(({ v4, v6 }) =>
    [v4, v6].some((own) => own !== null && formatAddress(own) === text),
  );
}
