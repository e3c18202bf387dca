// A UDP network in memory for FakeDataPlanes: hosts with addresses, one queue of datagrams in flight, no time, no loss
// unless asked for. Deterministic: datagrams arrive in the order they were sent.

import { formatAddress } from '../core/address.js';
import type { Endpoint, IpAddress } from '../core/types.js';

export interface FakeDatagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

/** A bound port of a host. */
export interface FakeSocket {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  receive(datagram: FakeDatagram): void;
}

/** Where ports for listen(0) begin (RFC 6335). */
const FIRST_EPHEMERAL_PORT = 49152;

function keyOf(address: IpAddress, port: number): string {
  return `${formatAddress(address)} ${port}`;
}

export class FakeNetwork {
  /** False drops the datagram. */
  filter: (datagram: FakeDatagram) => boolean = () => true;
  /** Every datagram that was sent, dropped ones too. */
  readonly sent: FakeDatagram[] = [];
  readonly #sockets = new Map<string, FakeSocket>();
  readonly #inFlight: FakeDatagram[] = [];
  #delivering = false;

  isFree(addresses: readonly IpAddress[], port: number): boolean {
    return addresses.every((address) => !this.#sockets.has(keyOf(address, port)));
  }

  freePort(addresses: readonly IpAddress[]): number {
    let port = FIRST_EPHEMERAL_PORT;
    while (!this.isFree(addresses, port)) port++;
    return port;
  }

  bind(socket: FakeSocket): void {
    for (const address of socket.addresses) this.#sockets.set(keyOf(address, socket.port), socket);
  }

  unbind(socket: FakeSocket): void {
    for (const address of socket.addresses) this.#sockets.delete(keyOf(address, socket.port));
  }

  /** Delivers at once, but never from within another delivery. */
  send(datagram: FakeDatagram): void {
    this.sent.push(datagram);
    if (this.filter(datagram)) this.#inFlight.push(datagram);
    if (this.#delivering) return;
    this.#delivering = true;
    for (let next = this.#inFlight.shift(); next !== undefined; next = this.#inFlight.shift()) {
      this.#sockets.get(keyOf(next.to.address, next.to.port))?.receive(next);
    }
    this.#delivering = false;
  }
}
