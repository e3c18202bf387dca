// A run: machines, a network and one virtual clock, all from one seed. Whoever knows the seed sees the same run again.

import type { Endpoint } from '../../src/core/types.js';
import type { MemberRecord, NodeId } from '../../src/mesh/types.js';
import { EventQueue } from './event-queue.js';
import { type LinkConditions, SimulatedNetwork } from './network.js';
import { type NodeEnvironment, type Observer, SimulatedNode } from './node.js';
import { SeededRandom } from './random.js';

const PORT = 51820;
/** Streams of randomness: the network's, the scenario's, then one for each node. */
const NETWORK_STREAM = 1;
const SCENARIO_STREAM = 2;
const FIRST_NODE_STREAM = 16;
const NOTES_KEPT = 40;

export interface SimulationOptions {
  readonly seed: number;
  readonly conditions?: Partial<LinkConditions>;
  readonly boot: NodeEnvironment['boot'];
  /** Identity of the node with this index. */
  readonly identityOf: (index: number) => SimulatedNode['identity'];
}

export class Simulation {
  readonly seed: number;
  readonly queue = new EventQueue();
  readonly network: SimulatedNetwork;
  /** For the scenario's own choices. */
  readonly random: SeededRandom;
  readonly nodes: SimulatedNode[] = [];
  readonly observers: Observer[] = [];
  /** What the nodes said of themselves before the simulation began. */
  readonly earlierRecords: MemberRecord[] = [];
  readonly #options: SimulationOptions;
  readonly #notes: string[] = [];
  readonly #byId = new Map<NodeId, SimulatedNode>();

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.seed = options.seed;
    this.random = new SeededRandom(options.seed, SCENARIO_STREAM);
    this.network = new SimulatedNetwork(this.queue, new SeededRandom(options.seed, NETWORK_STREAM));
    if (options.conditions) this.setConditions(options.conditions);
  }

  get nowMs(): number {
    return this.queue.nowMs;
  }

  setConditions(conditions: Partial<LinkConditions>): void {
    this.network.conditions = { ...this.network.conditions, ...conditions };
  }

  /** New machines, not yet started. */
  addNodes(count: number): SimulatedNode[] {
    return Array.from({ length: count }, () => this.#addNode());
  }

  node(id: NodeId): SimulatedNode | undefined {
    return this.#byId.get(id);
  }

  /** For the story that a failure tells. */
  note(what: string): void {
    this.#notes.push(`${(this.nowMs / 1000).toFixed(3)} s  ${what}`);
    if (this.#notes.length > NOTES_KEPT) this.#notes.shift();
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  at(atMs: number, action: () => void): void {
    this.queue.at(atMs, action);
  }

  after(delayMs: number, action: () => void): void {
    this.queue.at(this.nowMs + delayMs, action);
  }

  run(durationMs: number): void {
    const untilMs = this.nowMs + durationMs;
    while (this.queue.step(untilMs));
  }

  /**
   * Runs until `done()`, which is asked every `everyMs`.
   * @returns how long that took, or null: not within `limitMs`
   */
  runUntil(done: () => boolean, limitMs: number, everyMs = 50): number | null {
    const startMs = this.nowMs;
    while (!done()) {
      if (this.nowMs - startMs >= limitMs) return null;
      this.run(everyMs);
    }
    return this.nowMs - startMs;
  }

  #addNode(): SimulatedNode {
    const index = this.nodes.length;
    const node = new SimulatedNode(
      {
        queue: this.queue,
        network: this.network,
        observers: this.observers,
        boot: this.#options.boot,
      },
      this.#options.identityOf(index),
      {
        index,
        endpoint: endpointOf(index),
        random: new SeededRandom(this.seed, FIRST_NODE_STREAM + index),
      },
    );
    this.nodes.push(node);
    this.#byId.set(node.id, node);
    return node;
  }
}

/** The address of the machine with this index; `move` counts where it has been. */
export function endpointOf(index: number, move = 0): Endpoint {
  const address = Uint8Array.of(10, move, index >> 8, index & 0xff);
  return { address, port: PORT, scopeId: 0 };
}
