// Composition root of the plain WireGuard node: constructs the data plane, the core, the driver and the UAPI socket,
// wires them and ends them in order. No logic of the protocol.

import { availableParallelism } from 'node:os';
import { WeftError } from '../core/errors.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import { chooseEngine, type EngineOptions } from '../dataplane/engine.js';
import { openNativeDataPlane } from '../dataplane/native.js';
import { Device } from '../wg/device.js';
import { createCrypto, systemRandom } from './crypto.js';
import { Driver, type DriverHooks } from './driver.js';
import { createLogger, type Logger } from './logger.js';
import { type Scheduler, systemScheduler, wallTime } from './system.js';
import { socketPathOf, UapiServer } from './uapi-server.js';
import { UapiSession } from './uapi-session.js';

/** Fits an outer MTU of 1500 with IPv6. */
const DEFAULT_MTU = 1420;

export interface NodeOptions {
  /** Name of the TUN interface: 1 to 15 bytes. */
  readonly interfaceName: string;
  /** MTU of the interface in bytes; 1420 if not given. */
  readonly mtu?: number;
  /** Threads of the data plane; by the number of CPUs if not given. */
  readonly engine?: EngineOptions;
  /** A TUN descriptor to take over instead of creating an interface. */
  readonly tunFd?: number | undefined;
  /** A listening UNIX socket to serve the UAPI on instead of creating one. */
  readonly uapiFd?: number | undefined;
  /** Where the UAPI socket is created; /var/run/wireguard, where `wg` looks, if not given. */
  readonly socketDirectory?: string;
  readonly logger?: Logger;
  /** The data plane to run on instead of the addon's. The node closes it. */
  readonly dataPlane?: DataPlane;
  readonly scheduler?: Scheduler;
}

/** Why a node ended. */
export type CloseReason = 'closed' | 'socket-removed' | 'link-gone';

export interface Node {
  /** As the kernel gave it. */
  readonly interfaceName: string;
  readonly socketPath: string;
  /** Resolves when the interface and the socket file are gone. */
  readonly closed: Promise<CloseReason>;
  close(): Promise<void>;
}

/** A node with what a mesh needs to work on it. */
export interface DrivenNode extends Node {
  readonly driver: Driver;
}

/**
 * Creates the interface and its UAPI socket; on return the socket accepts connections.
 * @throws WeftError with a message that says what to do; nothing is left behind
 */
export function createNode(options: NodeOptions): Promise<Node> {
  return openNode(options);
}

/** As createNode(), for the mesh node. */
export async function openNode(options: NodeOptions, hooks: DriverHooks = {}): Promise<DrivenNode> {
  checkInterfaceName(options.interfaceName);
  // The WebAssembly of the AEADs compiles while the TUN is opened.
  const loadingCrypto = createCrypto();
  const logger = options.logger ?? createLogger('error', options.interfaceName);
  const dataPlane =
    options.dataPlane ??
    openNativeDataPlane({
      interfaceName: options.interfaceName,
      tunFd: options.tunFd,
      mtu: options.mtu ?? DEFAULT_MTU,
      engine: options.engine ?? chooseEngine(availableParallelism()),
      onRealTimeRefused: (code) =>
        logger.error(
          'WEFT_SCHED_FIFO: not permitted, running without (needs CAP_SYS_NICE or RLIMIT_RTPRIO)',
          {
            code,
          },
        ),
      onIoUringMissing: (reason) =>
        logger.error('WEFT_IO=io_uring: not available, running with epoll', { reason }),
    });
  try {
    const device = new Device({
      crypto: await loadingCrypto,
      random: systemRandom,
      wallTime,
      stats: dataPlane.stats,
    });
    return await WireGuardNode.start(device, dataPlane, options, hooks);
  } catch (error) {
    await dataPlane.close();
    throw error;
  }
}

/** The kernel's rule for interface names (dev_valid_name). */
function checkInterfaceName(name: string): void {
  const length = Buffer.byteLength(name);
  if (length > 0 && length <= 15 && name !== '.' && name !== '..' && !/[/:\s\0]/.test(name)) return;
  throw new WeftError(
    'EINTERFACENAME',
    `invalid interface name '${name}': give 1 to 15 bytes without '/', ':' and white space`,
  );
}

class WireGuardNode implements DrivenNode {
  readonly interfaceName: string;
  readonly socketPath: string;
  readonly closed: Promise<CloseReason>;
  readonly driver: Driver;
  readonly #logger: Logger;
  #server: UapiServer | null = null;
  #resolveClosed: (reason: CloseReason) => void = () => {};
  #ending = false;

  private constructor(
    device: Device,
    dataPlane: DataPlane,
    options: NodeOptions,
    hooks: DriverHooks,
  ) {
    this.interfaceName = dataPlane.interfaceName;
    this.socketPath = socketPathOf(this.interfaceName, options.socketDirectory);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#logger = options.logger ?? createLogger('error', this.interfaceName);
    this.driver = new Driver({
      ...hooks,
      device,
      dataPlane,
      scheduler: options.scheduler ?? systemScheduler,
      logger: this.#logger,
      onLinkGone: () => void this.#end('link-gone'),
    });
  }

  static async start(
    device: Device,
    dataPlane: DataPlane,
    options: NodeOptions,
    hooks: DriverHooks,
  ): Promise<WireGuardNode> {
    const node = new WireGuardNode(device, dataPlane, options, hooks);
    node.#server = await UapiServer.open({
      path: node.socketPath,
      fd: options.uapiFd,
      onConnection: (socket) => {
        new UapiSession(socket, node.driver, node.#logger);
      },
      onRemoved: () => void node.#end('socket-removed'),
    });
    try {
      node.driver.start();
    } catch (error) {
      await node.#server.close();
      throw error;
    }
    node.#logger.debug('started', { socket: node.socketPath });
    return node;
  }

  async close(): Promise<void> {
    await this.#end('closed');
  }

  async #end(reason: CloseReason): Promise<void> {
    if (!this.#ending) {
      this.#ending = true;
      this.#logger.debug('shutting down', { reason });
      this.driver.stop();
      await this.#server?.close();
      await this.driver.dataPlane.close();
      this.#resolveClosed(reason);
    }
    await this.closed;
  }
}
