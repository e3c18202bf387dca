// Channels of several nodes on a network in memory: time that tests set, everything that was sent on record, and a filter
// that loses or changes what it likes.

import type { MeshCrypto } from '../../src/core/crypto.js';
import type { Datagram, Endpoint, Path } from '../../src/core/types.js';
import { Channel, type ReceivedMessage } from '../../src/mesh/channel/channel.js';
import { createIdentity, type Identity } from '../../src/mesh/identity.js';
import type { NodeId } from '../../src/mesh/types.js';
import { createMeshCrypto } from '../../src/node/mesh-crypto.js';
import { seededRandom } from './wg.js';

export const meshCrypto = await createMeshCrypto();
export const MESH_KEY = new Uint8Array(32).fill(0x4d);

/** A datagram on the wire. */
export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Uint8Array;
}

export function endpoint(host: number, port = 51820): Endpoint {
  return { address: Uint8Array.of(10, 0, host >> 8, host & 0xff), port, scopeId: 0 };
}

export function pathFrom(remote: Endpoint): Path {
  return { remote, local: null, interfaceIndex: 0 };
}

/** Reproducible identities. */
export function identity(seed: number): Identity {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, seed);
  return createIdentity(meshCrypto, bytes);
}

export interface GossipOptions {
  readonly crypto?: MeshCrypto;
  readonly meshKey?: Uint8Array;
  /** Not the one of the seed: perhaps stolen, or half of it. */
  readonly identity?: Identity;
}

export class GossipNode {
  readonly identity: Identity;
  endpoint: Endpoint;
  channel: Channel;
  /** Whom it takes for a member. */
  readonly members = new Set<NodeId>();
  readonly received: ReceivedMessage[] = [];
  #starts = 0;
  readonly #seed: number;
  readonly #options: GossipOptions;

  constructor(seed: number, options: GossipOptions = {}) {
    this.#seed = seed;
    this.#options = options;
    this.identity = options.identity ?? identity(seed);
    this.endpoint = endpoint(seed);
    this.channel = this.#start();
  }

  get id(): NodeId {
    return this.identity.id;
  }

  get texts(): string[] {
    return this.received.map(({ plaintext }) => new TextDecoder().decode(plaintext));
  }

  counter(name: string): number {
    const value = this.channel.counters()[name];
    if (value === undefined) throw new Error(`There is no counter ${name}`);
    return value;
  }

  /** Everything but the identity is lost. */
  restart(): void {
    this.channel = this.#start();
  }

  #start(): Channel {
    this.#starts++;
    return new Channel({
      crypto: this.#options.crypto ?? meshCrypto,
      random: seededRandom(1_000 * this.#seed + this.#starts),
      identity: this.identity,
      meshKey: this.#options.meshKey ?? MESH_KEY,
      isMember: (id) => this.members.has(id),
    });
  }
}

export class GossipNetwork {
  nowMs = 1_000_000;
  readonly nodes: GossipNode[];
  /** Everything that was sent, in order, lost or not. */
  readonly sent: Packet[] = [];
  /** What arrives of a packet: the packet, several, others, or none. */
  filter: (packet: Packet) => readonly Packet[] = (packet) => [packet];

  /** Every node takes every other for a member. */
  static of(...nodes: GossipNode[]): GossipNetwork {
    for (const node of nodes) for (const other of nodes) node.members.add(other.id);
    return new GossipNetwork(nodes);
  }

  constructor(nodes: GossipNode[]) {
    this.nodes = nodes;
  }

  send(from: GossipNode, to: GossipNode, text: string): void {
    from.channel.send(this.nowMs, to.id, to.endpoint, new TextEncoder().encode(text));
  }

  /** Delivers until nothing is under way. */
  settle(): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 1_000) throw new Error('The channels do not come to rest');
      const packets = this.nodes.flatMap((node) => this.#take(node));
      if (packets.length === 0) return;
      for (const packet of packets) for (const arrived of this.filter(packet)) this.inject(arrived);
    }
  }

  /** Lets a packet arrive whose sender need not be one of the nodes. */
  inject(packet: Packet): void {
    const node = this.nodes.find((other) => sameEndpoint(other.endpoint, packet.to));
    if (node === undefined) return;
    const datagram: Datagram = { path: pathFrom(packet.from), bytes: packet.bytes.slice() };
    const message = node.channel.receive(this.nowMs, datagram);
    if (message !== null) node.received.push(message);
  }

  /** Lets time pass, deadline by deadline. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    this.settle();
    for (let next = this.#nextTickMs(); next <= endMs; next = this.#nextTickMs()) {
      this.nowMs = Math.max(this.nowMs, next);
      for (const node of this.nodes) node.channel.tick(this.nowMs);
      this.settle();
    }
    this.nowMs = endMs;
  }

  /** What was sent since the last call, by first byte. */
  takeSent(): Packet[] {
    return this.sent.splice(0);
  }

  #nextTickMs(): number {
    return Math.min(...this.nodes.map(({ channel }) => channel.nextTickMs()));
  }

  #take(node: GossipNode): Packet[] {
    const packets = node.channel
      .takeDatagrams()
      .map(({ path, bytes }) => ({ from: node.endpoint, to: path.remote, bytes }));
    this.sent.push(...packets);
    return packets;
  }
}

/** Crypto that counts what an attacker would like to make us do. */
export function counting() {
  const calls = { agreements: 0, opens: 0, macs: 0 };
  const crypto: MeshCrypto = {
    ...meshCrypto,
    agreementPublicKey(key) {
      calls.agreements++;
      return meshCrypto.agreementPublicKey(key);
    },
    xopen(...parameters) {
      calls.opens++;
      return meshCrypto.xopen(...parameters);
    },
    mac(...parameters) {
      calls.macs++;
      return meshCrypto.mac(...parameters);
    },
  };
  return { calls, crypto };
}

/** The first hello of a node, without a cookie. */
export function helloOf(from: GossipNode, to: GossipNode, net: GossipNetwork): Uint8Array {
  net.send(from, to, 'x');
  const [datagram] = from.channel.takeDatagrams();
  if (datagram === undefined) throw new Error('No hello');
  return datagram.bytes;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address.every((byte, i) => byte === b.address[i]);
}
