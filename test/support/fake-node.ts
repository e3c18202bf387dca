// Devices with their drivers on fake data planes, one network and one clock for all.

import type { WallTime } from '../../src/core/clock.js';
import type { PublicKey } from '../../src/core/types.js';
import { FakeDataPlane } from '../../src/dataplane/fake.js';
import { realCipher } from '../../src/dataplane/fake-cipher.js';
import { FakeNetwork } from '../../src/dataplane/fake-network.js';
import { Driver } from '../../src/node/driver.js';
import type { LogFields, Logger } from '../../src/node/logger.js';
import { Device } from '../../src/wg/device.js';
import { encodePublicKey } from '../../src/wg/keys.js';
import { FakeScheduler } from './scheduler.js';
import { crypto, seededRandom } from './wg.js';

export class MemoryLogger implements Logger {
  readonly errors: { message: string; fields: LogFields | undefined }[] = [];

  error(message: string, fields?: LogFields): void {
    this.errors.push({ message, fields });
  }

  debug(): void {}
}

export class FakeNode {
  readonly dataPlane: FakeDataPlane;
  readonly device: Device;
  readonly driver: Driver;
  readonly logger = new MemoryLogger();
  linkGone = false;

  constructor(
    readonly world: FakeWorld,
    /** Last byte of its outer and inner addresses, and seed. */
    readonly number: number,
    host = number,
  ) {
    this.dataPlane = new FakeDataPlane({
      network: world.network,
      addresses: [Uint8Array.of(192, 0, 2, host)],
      clock: world.scheduler,
      cipher: realCipher(crypto),
    });
    this.device = new Device({
      crypto,
      random: seededRandom(number),
      wallTime: () => world.wallTime(),
      stats: this.dataPlane.stats,
    });
    this.driver = new Driver({
      device: this.device,
      dataPlane: this.dataPlane,
      scheduler: world.scheduler,
      logger: this.logger,
      onLinkGone: () => {
        this.linkGone = true;
      },
    });
    this.driver.start();
    this.driver.perform((device, nowMs) =>
      device.setPrivateKey(nowMs, new Uint8Array(32).fill(number)),
    );
  }

  get publicKey(): PublicKey {
    if (this.device.publicKey === null) throw new Error('no key');
    return encodePublicKey(this.device.publicKey);
  }

  get outer(): Uint8Array {
    return Uint8Array.of(192, 0, 2, this.number);
  }

  get inner(): Uint8Array {
    return Uint8Array.of(10, 9, 0, this.number);
  }

  /** Adds the other node as a peer, with its endpoint if it listens. */
  addPeer(other: FakeNode): void {
    this.driver.perform((device, nowMs) => {
      const peer = device.addPeer(nowMs, other.publicKey);
      if (peer === null) throw new Error('own key');
      device.addAllowedIps(peer, [{ address: other.inner, length: 32 }]);
      const port = other.driver.listenPort;
      if (port !== 0) device.setEndpoint(nowMs, peer, { address: other.outer, port, scopeId: 0 });
    });
  }
}

export class FakeWorld {
  readonly network = new FakeNetwork();
  readonly scheduler = new FakeScheduler();

  wallTime(): WallTime {
    const ms = Math.floor(this.scheduler.nowMs());
    return {
      seconds: 1_700_000_000 + Math.floor(ms / 1000),
      nanoseconds: (ms % 1000) * 1_000_000,
    };
  }

  /** Two nodes that are up and know each other. */
  async pair(): Promise<[FakeNode, FakeNode]> {
    const a = new FakeNode(this, 1);
    const b = new FakeNode(this, 2);
    for (const node of [a, b]) {
      node.driver.setListenPort(1000 + node.number);
      node.dataPlane.setLink(true);
    }
    await this.scheduler.settle();
    a.addPeer(b);
    b.addPeer(a);
    return [a, b];
  }
}
