// Constructs and wires what a mesh node is made of. No logic.

import type { WeftError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import type { EngineOptions } from '../dataplane/engine.js';
import { createIdentity } from '../mesh/identity.js';
import { DEFAULT_SWIM_CONFIG, type SwimConfig } from '../mesh/swim/config.js';
import type { Config } from './config.js';
import { systemRandom } from './crypto.js';
import { type IpRunner, runIp } from './ip-command.js';
import { createMeshCrypto } from './mesh-crypto.js';
import type { MeshLog } from './mesh-log.js';
import { checkSettings, MeshNode } from './mesh-node.js';
import { openNode } from './node.js';
import { loadSettings, type NodePaths, type Settings } from './settings.js';
import { lockState } from './state-lock.js';
import { StateStore } from './state-store.js';
import { type Scheduler, systemScheduler } from './system.js';
import { type Resolver, systemResolver } from './underlay.js';
import { type NetworkMonitor, systemMonitor } from './uplinks-watch.js';

export interface MeshNodeOptions {
  readonly paths: NodePaths;
  readonly log: MeshLog;
  /** Read already, since the log needs its level. */
  readonly config: Config;
  readonly version: string;
  /** As NodeOptions has it. */
  readonly engine?: EngineOptions;
  /** Instead of the addon's. The node closes it. */
  readonly dataPlane?: DataPlane;
  readonly scheduler?: Scheduler;
  readonly runIp?: IpRunner;
  readonly resolver?: Resolver;
  readonly monitor?: NetworkMonitor;
  readonly timings?: SwimConfig;
  readonly random?: Random;
}

/**
 * Starts everything; on return the interface is up.
 * @throws WeftError with a message that says what to do; nothing is left behind
 */
export async function openMeshNode(options: MeshNodeOptions): Promise<MeshNode> {
  const settings = loadSettings(options.paths, options.config);
  const unlock = lockState(options.paths.state);
  try {
    const node = await open(options, settings);
    void node.closed.finally(unlock);
    return node;
  } catch (error) {
    unlock();
    throw error;
  }
}

async function open(options: MeshNodeOptions, settings: Settings): Promise<MeshNode> {
  const { device } = settings.config;
  const crypto = await createMeshCrypto();
  const run = options.runIp ?? runIp;
  const routes = await checkSettings(settings, options.paths, crypto, run);
  let meshNode: MeshNode | null = null;
  const listening = new Listening();
  const node = await openNode(
    {
      interfaceName: device,
      mtu: settings.config.mtu,
      socketDirectory: options.paths.uapi,
      logger: options.log,
      ...(options.engine && { engine: options.engine }),
      ...(options.dataPlane && { dataPlane: options.dataPlane }),
      ...(options.scheduler && { scheduler: options.scheduler }),
    },
    {
      onGossip: (datagrams) => meshNode?.receive(datagrams),
      onListen: (error) => listening.settle(error),
    },
  );
  try {
    meshNode = new MeshNode(
      {
        paths: options.paths,
        log: options.log,
        version: options.version,
        scheduler: options.scheduler ?? systemScheduler,
        runIp: run,
        resolver: options.resolver ?? systemResolver,
        monitor: options.monitor ?? systemMonitor,
        timings: options.timings ?? DEFAULT_SWIM_CONFIG,
        random: options.random ?? systemRandom,
        node,
        identity: createIdentity(crypto, settings.seed),
        crypto,
        store: new StateStore(options.paths.state),
      },
      settings,
      routes,
    );
    await meshNode.start(listening.done);
    return meshNode;
  } catch (error) {
    meshNode?.halt();
    await node.close();
    throw error;
  }
}

/** What the outcome of binding the port is waited for with. */
class Listening {
  readonly done: Promise<void>;
  settle: (error: WeftError | null) => void = () => {};

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.settle = (error) => (error === null ? resolve() : reject(error));
    });
    this.done.catch(() => {}); // also if nobody waits any more
  }
}
