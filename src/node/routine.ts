// What a mesh node does regularly: traffic and silent peers are looked at, the host's addresses are read again, names are
// resolved again, and it is said when a certificate ends soon.

import { formatEndpoint } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import { contains } from '../core/network.js';
import type { Endpoint, IpAddress } from '../core/types.js';
import type { TrustStore } from '../mesh/trust.js';
import type { Bonds } from './bonds.js';
import type { MeshDriver } from './mesh-driver.js';
import type { MeshLog } from './mesh-log.js';
import type { DrivenNode } from './node.js';
import type { Settings } from './settings.js';
import { type Scheduler, wallTime } from './system.js';
import { meshPrefixes, type Tunnels } from './tunnels.js';
import { localEndpoints, type Resolver, resolveEndpoints } from './underlay.js';

/** Traffic is looked at, and silent peers are, in this interval. */
const REVIEW_MS = 1_000;
/** The host's addresses are read again in this interval. */
const ADDRESSES_MS = 5_000;
/** Names are resolved again in this interval. */
const RESOLVE_MS = 60_000;
/** Certificates are looked at in this interval. */
const EXPIRY_MS = 3_600_000;

export interface RoutineEnvironment {
  readonly scheduler: Scheduler;
  readonly driver: MeshDriver;
  readonly node: DrivenNode;
  readonly crypto: MeshCrypto;
  readonly tunnels: Tunnels;
  readonly bonds: Bonds;
  readonly resolver: Resolver;
  readonly log: MeshLog;
  /** Asked each time: a reload replaces them. */
  settings(): Settings;
  trust(): TrustStore;
}

export class Routine {
  readonly #env: RoutineEnvironment;
  readonly #timers = new Set<() => void>();
  #endpointsTold = '';
  #stopped = false;

  constructor(env: RoutineEnvironment) {
    this.#env = env;
  }

  start(): void {
    this.#every(REVIEW_MS, () => this.#review());
    this.#every(ADDRESSES_MS, () => this.refreshAddresses());
    this.#every(RESOLVE_MS, () => void this.resolveSeeds());
    this.#every(EXPIRY_MS, () => this.#warnOfExpiry());
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers) cancel();
  }

  /** Tells the mesh where this node can be reached, if that has changed. */
  refreshAddresses(): void {
    const endpoints = this.#endpoints();
    const text = JSON.stringify(endpoints.map((endpoint) => formatEndpoint(endpoint, String)));
    if (text === this.#endpointsTold) return;
    this.#endpointsTold = text;
    this.#env.driver.perform((mesh, nowMs) => mesh.setLocalEndpoints(nowMs, endpoints));
  }

  async resolveSeeds(): Promise<void> {
    const { config, mesh: file } = this.#env.settings();
    const seeds = await resolveEndpoints([...config.seeds, ...file.seeds], this.#env.resolver);
    if (this.#stopped) return;
    this.#env.driver.perform((mesh, nowMs) => mesh.setSeeds(nowMs, seeds));
  }

  #every(intervalMs: number, action: () => void): void {
    let cancel = () => {};
    const arm = () => {
      this.#timers.delete(cancel);
      cancel = this.#env.scheduler.after(intervalMs, () => {
        action();
        if (!this.#stopped) arm();
      });
      this.#timers.add(cancel);
    };
    arm();
  }

  #review(): void {
    const { node, driver, tunnels, bonds } = this.#env;
    const { dataPlane, device } = node.driver;
    const sinceMs = dataPlane.nowMs() - 2 * REVIEW_MS;
    driver.perform((mesh, nowMs) => {
      for (const { member, publicKey } of tunnels.plans) {
        const peer = member === null ? undefined : device.peer(publicKey);
        if (member === null || peer === undefined) continue;
        if (dataPlane.stats.lastReceivedMs(peer.id) > sinceMs) mesh.trafficSeen(nowMs, member);
      }
    });
    tunnels.review();
    bonds.review();
  }

  #endpoints(): Endpoint[] {
    const { config } = this.#env.settings();
    const isInside = (address: IpAddress) => this.#isInside(address);
    const { listenPort, device } = config;
    const byUplinks = this.#env.bonds.endpoints(listenPort);
    return [...config.announce, ...byUplinks, ...localEndpoints(listenPort, device, isInside)];
  }

  #isInside(address: IpAddress): boolean {
    const prefixes = meshPrefixes(this.#env.crypto, this.#env.settings());
    return prefixes.some((each) => contains(each, address));
  }

  #warnOfExpiry(): void {
    for (const { name, days, notAfter } of this.#env.trust().expiryWarnings(wallTime().seconds)) {
      const ends = new Date(notAfter * 1000).toISOString();
      this.#env.log.warn('a certificate ends soon', { name, withinDays: days, ends });
    }
  }
}
