// A UDP socket in a namespace, driven from the test: for raw datagrams, and for a relay that records and repeats.
import { fileURLToPath } from 'node:url';
import type { Namespace, Network } from './harness.js';
import { type Background, until } from './process.js';

const ACTOR = fileURLToPath(new URL('./udp-socket.mjs', import.meta.url));

export interface ReceivedDatagram {
  readonly address: string;
  readonly port: number;
  readonly bytes: Buffer;
}

export class UdpSocket {
  readonly received: ReceivedDatagram[] = [];
  /** Called with each datagram; `received` has it too. */
  onDatagram: (datagram: ReceivedDatagram) => void = () => undefined;
  #bound = false;

  private constructor(readonly process: Background) {
    process.onLine = (line) => this.#line(line);
  }

  static async bind(
    net: Network,
    where: Namespace,
    address: string,
    port: number,
  ): Promise<UdpSocket> {
    const socket = new UdpSocket(net.spawn(where, ['node', ACTOR, address, `${port}`]));
    await until(`UDP socket on ${address} port ${port}`, () => socket.#bound);
    return socket;
  }

  send(address: string, port: number, bytes: Uint8Array): void {
    const message = { address, port, hex: Buffer.from(bytes).toString('hex') };
    this.process.write(`${JSON.stringify(message)}\n`);
  }

  #line(line: string): void {
    const message = JSON.parse(line) as {
      bound?: boolean;
      address: string;
      port: number;
      hex: string;
    };
    if (message.bound) {
      this.#bound = true;
      return;
    }
    const { address, port } = message;
    const datagram = { address, port, bytes: Buffer.from(message.hex, 'hex') };
    this.received.push(datagram);
    this.onDatagram(datagram);
  }
}

/** WireGuard's message type: the first byte (whitepaper 5.4). */
export function messageType(bytes: Uint8Array): number {
  return bytes[0] ?? 0;
}
