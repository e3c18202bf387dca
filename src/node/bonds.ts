// Composition of what concerns uplinks and bonds in a mesh node: the watch over uplinks, what they have carried, the
// bonds themselves, and what this node's record says about them. No logic of its own.

import type { Endpoint } from '../core/types.js';
import type { BondConfig } from './bond-config.js';
import { BondDriver, type BondMember } from './bond-driver.js';
import type { IpRunner } from './ip-command.js';
import type { MeshDriver } from './mesh-driver.js';
import type { MeshLog } from './mesh-log.js';
import type { DrivenNode } from './node.js';
import type { StateStore } from './state-store.js';
import type { Scheduler } from './system.js';
import type { Tunnels } from './tunnels.js';
import { UplinkUsage } from './uplinks-usage.js';
import { type NetworkMonitor, UplinkWatch } from './uplinks-watch.js';

export interface BondsEnvironment {
  readonly node: DrivenNode;
  readonly meshDriver: MeshDriver;
  readonly tunnels: Tunnels;
  readonly store: StateStore;
  readonly log: MeshLog;
  readonly scheduler: Scheduler;
  readonly runIp: IpRunner;
  readonly monitor: NetworkMonitor;
  /** Asked each time: a reload replaces it. */
  config(): BondConfig;
  /** Where this node is reached may have changed. */
  onChange(): void;
}

export class Bonds {
  readonly driver: BondDriver;
  readonly #env: BondsEnvironment;
  readonly #watch: UplinkWatch;

  constructor(env: BondsEnvironment) {
    this.#env = env;
    const { dataPlane } = env.node.driver;
    this.#watch = new UplinkWatch({
      run: env.runIp,
      scheduler: env.scheduler,
      monitor: env.monitor,
      log: env.log,
      device: dataPlane.interfaceName,
      config: env.config,
      onChange: () => this.#uplinksChanged(),
    });
    this.driver = new BondDriver({
      plane: dataPlane,
      usage: new UplinkUsage({
        store: env.store,
        log: env.log,
        nowMs: () => dataPlane.nowMs(),
        today: () => new Date().toISOString().slice(0, 'YYYY-MM-DD'.length),
      }),
      log: env.log,
      config: env.config,
      uplinks: () => this.#watch.uplinks,
      members: () => this.#members(),
    });
  }

  /** Resolves when the uplinks are known, and the record says so. */
  async start(): Promise<void> {
    await this.#watch.start();
    this.#announce();
  }

  /** The configuration may be another. */
  async reload(): Promise<void> {
    await this.#watch.reload();
    this.#uplinksChanged();
  }

  /** Every second. */
  review(): void {
    this.driver.review();
  }

  endpoints(port: number): Endpoint[] {
    return this.driver.endpoints(port);
  }

  stop(): void {
    this.#watch.stop();
    this.driver.stop();
  }

  #uplinksChanged(): void {
    this.#announce();
    this.#env.onChange();
    this.driver.review(true);
  }

  #announce(): void {
    const capabilities = this.driver.capabilities();
    this.#env.meshDriver.perform((mesh, nowMs) => mesh.setCapabilities(nowMs, capabilities));
  }

  #members(): BondMember[] {
    const { tunnels, meshDriver, node } = this.#env;
    return tunnels.plans.flatMap(({ member: id, publicKey, endpoints }): BondMember[] => {
      const peer = node.driver.device.peer(publicKey);
      const member = id === null ? undefined : meshDriver.mesh.member(id);
      if (peer === undefined || member === undefined) return [];
      const { name, capabilities, endpoints: recorded } = member.record;
      return [{ id: member.id, name, capabilities, peer, endpoints, recorded }];
    });
  }
}
