// What the data plane suite needs of an implementation: two data planes, A and B, on one host of the outer network, so
// that they compete for ports, each with an inner host behind its tunnel.

import type { Datagram, Endpoint, IpAddress } from '../../src/core/types.js';
import type { ControlEvent, DataPlane } from '../../src/dataplane/dataplane.js';

/** Values that arrive one by one, and those who wait for them. */
export class Inbox<T> {
  readonly #values: T[] = [];
  #waiting: (() => void)[] = [];

  push(value: T): void {
    this.#values.push(value);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** The first value that is accepted, now or later; takes it out. Ends by the test's time limit. */
  async take(accepts: (value: T) => boolean = () => true): Promise<T> {
    for (;;) {
      const at = this.#values.findIndex(accepts);
      const [value] = at < 0 ? [] : this.#values.splice(at, 1);
      if (value !== undefined) return value;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** All that arrived and was not taken. */
  get rest(): readonly T[] {
    return this.#values;
  }

  clear(): void {
    this.#values.length = 0;
  }
}

/** One data plane, with what it reports sorted into inboxes. */
export class Side {
  readonly events = new Inbox<ControlEvent>();
  readonly datagrams = new Inbox<Datagram>();
  /** Payloads of the inner UDP packets that left this tunnel. */
  readonly payloads = new Inbox<string>();
  /** Its UDP port. */
  port = 0;

  constructor(
    readonly dataPlane: DataPlane,
    /** Where the other side reaches its sockets. */
    readonly outer: IpAddress,
    /** The host behind its tunnel. */
    readonly inner: IpAddress,
    /** Sends a UDP payload from this side's host into the tunnel. */
    readonly send: (to: IpAddress, payload: string) => void,
  ) {}

  start(): void {
    this.dataPlane.start(() => this.#read());
  }

  get endpoint(): Endpoint {
    return { address: this.outer, port: this.port, scopeId: 0 };
  }

  event<T extends ControlEvent['type']>(type: T): Promise<ControlEvent & { type: T }> {
    const isType = (event: ControlEvent) => event.type === type;
    return this.events.take(isType) as Promise<ControlEvent & { type: T }>;
  }

  get totalDrops(): number {
    return Object.values(this.dataPlane.drops()).reduce((sum, n) => sum + Number(n), 0);
  }

  #read(): void {
    let backlog = 1;
    while (backlog > 0) {
      const batch = this.dataPlane.read(8);
      for (const event of batch.events) this.events.push(event);
      for (const datagram of batch.datagrams) this.datagrams.push(datagram);
      backlog = batch.backlog;
    }
  }
}

/** Both links up, both sides listening, nothing of that left in the inboxes. */
export interface Rig {
  readonly a: Side;
  readonly b: Side;
  close(): Promise<void>;
}
