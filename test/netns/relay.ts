// The internet between hosts, in user space (native/bench/impair_relay.cc): every uplink of a host is an interface in its
// namespace, and what is sent by it comes to the uplink that has the destination's address, late, lossy and throttled as
// the test says.
import { join } from 'node:path';
import { buildBenchmarks } from '../../bench/native/build.mjs';
import type { Namespace, Network } from './harness.js';
import type { Background } from './process.js';

/** What a direction of an uplink is like; what is left out stays as it is. Initially: nothing is impaired. */
export interface Impairment {
  /** One way, ms; and up to so much more. Packets keep their order unless `reorder`. */
  readonly delay?: number;
  readonly jitter?: number;
  readonly reorder?: 0 | 1;
  /** Mbit/s of IP packets; 0 = as fast as it goes. */
  readonly rate?: number;
  /** What would wait longer for the rate is dropped, ms. */
  readonly queue?: number;
  /** Share of packets lost, each by itself. */
  readonly loss?: number;
  /** Mbit/s, without a queue; 0 = none. */
  readonly policer?: number;
  readonly duplicate?: number;
  readonly black_hole?: 0 | 1;
}

export interface DirectionCounters {
  readonly sent: number;
  readonly delivered: number;
  /** IP bytes. */
  readonly deliveredBytes: number;
  readonly queueDrops: number;
  readonly randomDrops: number;
  readonly policerDrops: number;
  readonly holeDrops: number;
}

export interface RelayStats {
  /** How late the relay itself was at worst since the last time, ms. */
  readonly worstLateMs: number;
  readonly ports: Readonly<Record<string, { up: DirectionCounters; down: DirectionCounters }>>;
}

export class Relay {
  readonly #answers: ((line: string) => void)[] = [];

  private constructor(readonly process: Background) {
    process.onLine = (line) => this.#answers.shift()?.(line);
  }

  /** `where`: any namespace, its processes end with it. */
  static async start(net: Network, where: Namespace, seed = 1): Promise<Relay> {
    const directory = await buildBenchmarks(['impair_relay']);
    return new Relay(net.spawn(where, [join(directory, 'impair_relay'), `${seed}`]));
  }

  /** Makes the interface `device` in `host`, up, with this address and a default route by it. */
  async addUplink(
    name: string,
    host: Namespace,
    device: string,
    address: string,
    metric: number,
  ): Promise<void> {
    await this.#command(`port ${name} ${host.name} ${device} ${address}`);
    await host.ip(`addr add ${address}/32 dev ${device}`);
    await plug(host, device, metric);
  }

  set(name: string, direction: 'up' | 'down' | 'both', impairment: Impairment): Promise<unknown> {
    const words = Object.entries(impairment).map(([key, value]) => `${key}=${value}`);
    return this.#command(`set ${name} ${direction} ${words.join(' ')}`);
  }

  /** Source ports of UDP are mapped from now on; `rebind`: all mappings are forgotten. */
  nat(name: string, action: 'on' | 'off' | 'rebind'): Promise<unknown> {
    return this.#command(`nat ${name} ${action}`);
  }

  stats(): Promise<RelayStats> {
    return this.#command('stats') as Promise<RelayStats>;
  }

  async #command(line: string): Promise<unknown> {
    const answer = new Promise<string>((resolve) => this.#answers.push(resolve));
    this.process.write(`${line}\n`);
    // rejects if the relay neither ends nor answers
    const end = this.process.exited().then((): never => {
      throw new Error(`the relay ended: ${this.process.output}`);
    });
    const parsed = JSON.parse(await Promise.race([answer, end])) as { error?: string };
    if (parsed.error !== undefined) throw new Error(`${line}: ${parsed.error}`);
    return parsed;
  }
}

/** Brings an uplink up with its route, which went away with it, as a network manager would. */
export async function plug(host: Namespace, device: string, metric: number): Promise<void> {
  await host.ip(`link set ${device} up`);
  await host.ip(`route add default dev ${device} metric ${metric}`);
}
