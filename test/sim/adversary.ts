// A machine that holds a valid identity and speaks the protocol, but says what it likes.

import type { Datagram, Endpoint } from '../../src/core/types.js';
import { deriveV4, deriveV6 } from '../../src/mesh/addresses.js';
import { Channel } from '../../src/mesh/channel/channel.js';
import type { Identity } from '../../src/mesh/identity.js';
import {
  decodePacket,
  encodeMessage,
  joinMessages,
  type Message,
} from '../../src/mesh/messages.js';
import { signRecord } from '../../src/mesh/record.js';
import type { MemberRecord, NodeId, SignedRecord } from '../../src/mesh/types.js';
import { simulationCrypto as crypto } from './crypto.js';
import { MESH_ID, MESH_KEY, V4_PREFIX } from './mesh-world.js';
import type { Host } from './network.js';
import type { SimulatedNode } from './node.js';
import { SeededRandom } from './random.js';
import type { Simulation } from './simulation.js';

const RANDOM_STREAM = 3;
const TICK_MS = 50;

/** Whom to speak to, and where. */
export interface Peer {
  readonly id: NodeId;
  readonly endpoint: Endpoint;
}

export class Adversary implements Host {
  readonly identity: Identity;
  readonly endpoint: Endpoint;
  /** All that it was told. */
  readonly heard: { from: NodeId; message: Message }[] = [];
  readonly #simulation: Simulation;
  readonly #channel: Channel;

  /** In the place of a machine that is never started. */
  constructor(simulation: Simulation, { identity, endpoint }: SimulatedNode) {
    this.identity = identity;
    this.endpoint = endpoint;
    this.#simulation = simulation;
    this.#channel = new Channel({
      crypto,
      random: new SeededRandom(simulation.seed, RANDOM_STREAM),
      identity,
      meshKey: MESH_KEY,
      isMember: () => true,
    });
    simulation.network.attach(this);
    this.#tick();
  }

  deliver(datagram: Datagram): void {
    const received = this.#channel.receive(this.#simulation.nowMs, datagram);
    this.#flush();
    if (received === null) return;
    const peer = { id: received.from, endpoint: received.path.remote };
    for (const message of decodePacket(received.plaintext) ?? []) {
      this.heard.push({ from: received.from, message });
      this.answer(peer, message);
    }
  }

  /** Keeps up the appearance of a member that is well. */
  answer(peer: Peer, message: Message): void {
    if (message.type !== 'ping') return;
    const { sequence } = message;
    this.say(peer, { type: 'ack', sequence, observed: peer.endpoint, proof: null });
  }

  say(to: Peer, ...messages: readonly Message[]): void {
    this.sayBytes(to, joinMessages(messages.map(encodeMessage)));
  }

  /** Anything at all, inside an authentic channel. */
  sayBytes(to: Peer, plaintext: Uint8Array): void {
    this.#channel.send(this.#simulation.nowMs, to.id, to.endpoint, plaintext);
    this.#flush();
  }

  record(changes: Partial<MemberRecord> = {}): SignedRecord {
    const { id } = this.identity;
    const addresses = [deriveV4(crypto, V4_PREFIX, id, 0), deriveV6(crypto, MESH_ID, id)];
    return signRecord(this.identity, {
      id,
      incarnation: 1,
      name: 'mallory',
      endpoints: [this.endpoint],
      addresses,
      addressCounter: 0,
      routes: [],
      capabilities: [],
      certificate: new Uint8Array(0),
      left: false,
      ...changes,
    });
  }

  introduce(to: Peer, changes: Partial<MemberRecord> = {}): void {
    const { payload, signature } = this.record(changes);
    this.say(to, { type: 'hello', payload, signature, answer: true });
  }

  #tick(): void {
    this.#channel.tick(this.#simulation.nowMs);
    this.#flush();
    this.#simulation.after(TICK_MS, () => this.#tick());
  }

  #flush(): void {
    for (const { path, bytes } of this.#channel.takeDatagrams()) {
      this.#simulation.network.send(this, path.remote, bytes);
    }
  }
}
