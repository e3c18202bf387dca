// The simulated network: hosts at endpoints, and between them loss, delay, jitter, duplication, reordering and cuts,
// each way for itself. Knows nothing of what the datagrams hold.

import type { Datagram, Endpoint } from '../../src/core/types.js';
import type { EventQueue } from './event-queue.js';
import type { SeededRandom } from './random.js';

/** What every datagram meets on its way. Rates are 0 .. 1 and independent for each datagram. */
export interface LinkConditions {
  readonly lossRate: number;
  /** One way. */
  readonly delayMs: number;
  /** Added to the delay, uniform in 0 .. jitterMs: more than the gap between two datagrams reorders them. */
  readonly jitterMs: number;
  readonly duplicateRate: number;
  /** Some are held back for this long beyond the others. */
  readonly lateRate: number;
  readonly lateMs: number;
}

export const CALM: LinkConditions = {
  lossRate: 0,
  delayMs: 10,
  jitterMs: 10,
  duplicateRate: 0,
  lateRate: 0,
  lateMs: 0,
};

/** IPv4 and UDP headers, which every datagram costs on the wire. */
export const DATAGRAM_OVERHEAD_BYTES = 28;

export interface Host {
  readonly endpoint: Endpoint;
  deliver(datagram: Datagram): void;
}

/** A one-way cut: nothing passes from one of `from` to one of `to`. */
export interface Cut {
  readonly from: ReadonlySet<Host>;
  readonly to: ReadonlySet<Host>;
}

export interface Traffic {
  datagrams: number;
  /** On the wire, headers included. */
  bytes: number;
}

export class SimulatedNetwork {
  conditions: LinkConditions = CALM;
  /** Sees every datagram that is sent, delivered or not. */
  onSend: ((from: Host, to: Endpoint, bytes: Uint8Array) => void) | null = null;
  readonly #queue: EventQueue;
  readonly #random: SeededRandom;
  readonly #hosts = new Map<number, Host>();
  readonly #sent = new Map<Host, Traffic>();
  readonly #cuts = new Set<Cut>();

  constructor(queue: EventQueue, random: SeededRandom) {
    this.#queue = queue;
    this.#random = random;
  }

  attach(host: Host): void {
    this.#hosts.set(addressOf(host.endpoint), host);
  }

  detach(endpoint: Endpoint): void {
    this.#hosts.delete(addressOf(endpoint));
  }

  hostAt(endpoint: Endpoint): Host | undefined {
    return this.#hosts.get(addressOf(endpoint));
  }

  /** Nothing passes from `from` to `to` until heal(). */
  cut(from: Iterable<Host>, to: Iterable<Host>): Cut {
    const cut = { from: new Set(from), to: new Set(to) };
    this.#cuts.add(cut);
    return cut;
  }

  /** Cuts both ways. */
  partition(one: Iterable<Host>, other: Iterable<Host>): Cut[] {
    const [a, b] = [[...one], [...other]];
    return [this.cut(a, b), this.cut(b, a)];
  }

  heal(cut: Cut): void {
    this.#cuts.delete(cut);
  }

  healAll(): void {
    this.#cuts.clear();
  }

  isCut(from: Host, to: Host): boolean {
    for (const cut of this.#cuts) if (cut.from.has(from) && cut.to.has(to)) return true;
    return false;
  }

  /** What this host has sent since it was attached. */
  sentBy(host: Host): Readonly<Traffic> {
    return this.#sent.get(host) ?? { datagrams: 0, bytes: 0 };
  }

  /** `bytes` belong to the network from here on. */
  send(from: Host, to: Endpoint, bytes: Uint8Array): void {
    this.#count(from, bytes);
    this.onSend?.(from, to, bytes);
    const receiver = this.#hosts.get(addressOf(to));
    if (receiver === undefined || this.isCut(from, receiver)) return;
    const { lossRate, duplicateRate } = this.conditions;
    if (this.#random.chance(lossRate)) return;
    const source = from.endpoint;
    this.#deliverLater(source, to, bytes);
    if (this.#random.chance(duplicateRate)) this.#deliverLater(source, to, bytes);
  }

  #deliverLater(source: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    const { delayMs, jitterMs, lateRate, lateMs } = this.conditions;
    const late = this.#random.chance(lateRate) ? lateMs : 0;
    const arrivesMs = this.#queue.nowMs + delayMs + this.#random.between(0, jitterMs) + late;
    this.#queue.at(arrivesMs, () => {
      // whoever has the address by then
      const receiver = this.#hosts.get(addressOf(to));
      const path = { remote: source, local: to.address, interfaceIndex: 0 };
      receiver?.deliver({ path, bytes });
    });
  }

  #count(from: Host, bytes: Uint8Array): void {
    let traffic = this.#sent.get(from);
    if (traffic === undefined) {
      traffic = { datagrams: 0, bytes: 0 };
      this.#sent.set(from, traffic);
    }
    traffic.datagrams++;
    traffic.bytes += bytes.length + DATAGRAM_OVERHEAD_BYTES;
  }
}

/** An IPv4 endpoint as a number: the network is as large as one /0, and Maps of numbers are fast. */
function addressOf(endpoint: Endpoint): number {
  let number = 0;
  for (let i = 0; i < 4; i++) number = number * 256 + (endpoint.address[i] ?? 0);
  return number * 0x10000 + endpoint.port;
}
