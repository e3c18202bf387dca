/**
 * Two agents of a mesh in two network namespaces, each with as many uplinks as there are links:
 *
 *   n1: up0 10.10.1.1  up1 10.11.1.1 ... <- the relay -> n2: up0 10.10.2.1  up1 10.11.2.1 ...
 *
 * The uplinks of n1 are impaired; those of n2 are as fast as the machine.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, run, scratch, waitFor } from '../../throughput/command.mjs';
import { BenchError } from '../../throughput/errors.mjs';
import { inside } from '../../throughput/topology.mjs';
import { Relay } from './relay.mjs';

const WEFT = fileURLToPath(new URL('../../../bin/weft', import.meta.url));
const START_MS = 20_000;

let serial = 0;

/** One agent and its namespace. */
class Host {
  constructor(scene, number) {
    this.number = number;
    this.name = `n${number}`;
    this.netns = `weftbond-${process.pid}-${scene}-${this.name}`;
    // Interfaces of all namespaces share one directory of control sockets.
    this.device = `wb${process.pid}x${scene}${number}`;
    this.directory = join(scratch, `bond${scene}-${this.name}`);
    this.env = {
      WEFT_CONFIG: join(this.directory, 'weft.conf'),
      WEFT_STATE_DIR: join(this.directory, 'state'),
      WEFT_RUN_DIR: join(this.directory, 'run'),
    };
    mkdirSync(this.directory, { recursive: true });
  }

  /** `weft` with these arguments; returns what it printed. */
  weft(...args) {
    return run(inside(this.netns, [WEFT, ...args]), { env: this.env, timeoutMs: START_MS });
  }

  /** @param {string} token an invite, which is a secret and comes by stdin */
  join(token) {
    const file = join(this.directory, 'token');
    writeFileSync(file, token);
    const words = [WEFT, 'join', '-', '--name', this.name, '--device', this.device];
    return run(inside(this.netns, ['sh', '-c', 'exec "$@" <"$0"', file, ...words]), {
      env: this.env,
      timeoutMs: START_MS,
    });
  }

  async json(...args) {
    return JSON.parse(await this.weft(...args, '--json'));
  }

  ip(line) {
    return run(['ip', '-n', this.netns, ...line.split(' ')]);
  }

  async enter(bond, uplinks) {
    const path = this.env.WEFT_CONFIG;
    const text = readFileSync(path, 'utf8');
    const sections = uplinks.map((i) => `\n[Uplink]\nInterface = up${i}\n`).join('');
    const set = `[Interface]\nBond = ${bond ? 'on' : 'off'}`;
    writeFileSync(path, text.replace('[Interface]', set) + sections);
    this.agent = new Child(inside(this.netns, [WEFT, 'up']), { env: this.env });
    await waitFor(`${this.name} is up`, START_MS, async () => {
      if (this.agent.ended) throw new BenchError(`${this.name}: ${this.agent.complaint()}`);
      return this.weft('status', '--json').then(
        () => true,
        () => false,
      );
    });
    [this.address] = (await this.json('show')).addresses;
  }

  async close() {
    await this.agent?.stop();
    await run(['ip', 'netns', 'del', this.netns], { acceptFailure: true });
  }
}

export class Scene {
  /**
   * @param {{links: readonly import('./relay.mjs').Impairment[], bond: boolean, seed?: number}} options
   * @returns {Promise<Scene>} with both agents up, and every link a path if there is a bond
   */
  static async open({ links, bond, seed = 1 }) {
    const scene = new Scene();
    try {
      await scene.#start(links, bond, seed);
      return scene;
    } catch (error) {
      await scene.close();
      throw error;
    }
  }

  constructor() {
    serial++;
    this.hosts = [new Host(serial, 1), new Host(serial, 2)];
    [this.a, this.b] = this.hosts;
    this.uplinks = 0;
    /** How late the relay itself was: a busy machine impairs too. */
    this.relayLate = { packets: 0, late: 0, worstMs: 0 };
  }

  async #start(links, bond, seed) {
    for (const { netns } of this.hosts) {
      await run(['ip', 'netns', 'add', netns]);
      await run(['ip', '-n', netns, 'link', 'set', 'lo', 'up']);
    }
    this.relay = await Relay.start(seed);
    this.uplinks = links.length;
    for (const [i, link] of links.entries()) {
      for (const host of this.hosts) {
        const address = `10.${10 + i}.${host.number}.1`;
        await this.relay.command(`port ${host.name}.${i} ${host.netns} up${i} ${address}`);
        await host.ip(`addr add ${address}/32 dev up${i}`);
        await this.plug(i, host);
      }
      await this.relay.set(`n1.${i}`, link);
    }
    const indices = [...links.keys()];
    await this.a.weft('init', '--name', 'n1', '--device', this.a.device);
    await this.a.enter(bond, indices);
    await this.b.join(await this.a.weft('invite'));
    await this.b.enter(bond, indices);
    await waitFor('the agents know one another', START_MS, async () =>
      (await Promise.all(this.hosts.map((host) => host.json('status')))).every(
        ({ health }) => health.members.alive === 1,
      ),
    );
    await run(inside(this.a.netns, ['ping', '-n', '-c', '1', '-W', '5', this.b.address]));
    if (bond) await waitFor(`${links.length} paths`, START_MS, () => this.#bonded(links.length));
  }

  async #bonded(paths) {
    for (const [host, peer] of [
      [this.a, 'n2'],
      [this.b, 'n1'],
    ]) {
      const { bonds } = await host.json('path', 'ls', peer);
      const used = bonds[0]?.paths.filter(({ state }) => state === 'active') ?? [];
      if (used.length < paths) return paths === 1 && bonds.length === 0;
    }
    return true;
  }

  /** The interface goes down, as when a modem is pulled out; its routes go with it. */
  unplug(i) {
    return this.a.ip(`link set up${i} down`);
  }

  async plug(i, host = this.a) {
    await host.ip(`link set up${i} up`);
    await host.ip(`route add default dev up${i} metric ${100 + i}`);
  }

  /** IP bytes by each of n1's uplinks so far, as they came through: away from it, and to it. */
  async carried() {
    const { ports, packets, late, worstLateMs } = await this.relay.command('stats');
    this.relayLate.packets += packets;
    this.relayLate.late += late;
    this.relayLate.worstMs = Math.max(this.relayLate.worstMs, worstLateMs);
    return Array.from({ length: this.uplinks }, (_, i) => ({
      up: ports[`n1.${i}`].up.deliveredBytes,
      down: ports[`n1.${i}`].down.deliveredBytes,
    }));
  }

  async close() {
    for (const host of this.hosts) await host.close();
    await this.relay?.stop();
  }
}
