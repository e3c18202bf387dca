// What a run is asked about: how fast a change spreads, when a death is noticed, who was wrongly given up.

import type { Member, NodeId } from '../../src/mesh/types.js';
import type { Observer, SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';

/** Times from a change of one node's record until each other node holds it. */
export class SpreadWatch implements Observer {
  readonly #simulation: Simulation;
  readonly #subject: SimulatedNode;
  readonly #incarnation: number;
  readonly #startMs: number;
  readonly #reached = new Map<SimulatedNode, number>();

  /** @param ahead 0: the incarnation that `subject` has now is watched; 1: its next one, to come */
  constructor(simulation: Simulation, subject: SimulatedNode, ahead = 0) {
    this.#simulation = simulation;
    this.#subject = subject;
    this.#incarnation = (subject.mesh?.self().incarnation ?? 0) + ahead;
    this.#startMs = simulation.nowMs;
    simulation.observers.push(this);
  }

  memberChanged(node: SimulatedNode, member: Member): void {
    if (member.id !== this.#subject.id || this.#reached.has(node)) return;
    if (member.record.incarnation < this.#incarnation) return;
    this.#reached.set(node, this.#simulation.nowMs - this.#startMs);
  }

  get reached(): number {
    return this.#reached.size;
  }

  /** Milliseconds, a node each, ascending; ends the watch. */
  end(): number[] {
    const { observers } = this.#simulation;
    observers.splice(observers.indexOf(this), 1);
    return [...this.#reached.values()].sort((a, b) => a - b);
  }
}

/** When the others take a node for suspect, then dead. */
export class DeathWatch implements Observer {
  readonly suspectedMs = new Map<SimulatedNode, number>();
  readonly deadMs = new Map<SimulatedNode, number>();
  readonly #simulation: Simulation;
  readonly #subject: SimulatedNode;
  readonly #startMs: number;

  constructor(simulation: Simulation, subject: SimulatedNode) {
    this.#simulation = simulation;
    this.#subject = subject;
    this.#startMs = simulation.nowMs;
    simulation.observers.push(this);
  }

  memberChanged(node: SimulatedNode, member: Member): void {
    if (member.id !== this.#subject.id) return;
    const times =
      member.state === 'suspect'
        ? this.suspectedMs
        : member.state === 'dead'
          ? this.deadMs
          : undefined;
    if (times && !times.has(node)) times.set(node, this.#simulation.nowMs - this.#startMs);
  }

  end(): void {
    const { observers } = this.#simulation;
    observers.splice(observers.indexOf(this), 1);
  }
}

/** Counts who is given up although it runs and the network lets the two reach each other. */
export class FalseAlarms implements Observer {
  /** Transitions to suspect, and to dead, at any node. */
  suspicions = 0;
  deaths = 0;
  /** Nodes that somebody took for dead. */
  readonly buried = new Set<NodeId>();
  readonly #simulation: Simulation;
  readonly #states = new Map<SimulatedNode, Map<NodeId, Member['state']>>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    simulation.observers.push(this);
  }

  started(node: SimulatedNode): void {
    this.#states.delete(node);
  }

  memberChanged(node: SimulatedNode, member: Member): void {
    let states = this.#states.get(node);
    if (states === undefined) {
      states = new Map();
      this.#states.set(node, states);
    }
    const before = states.get(member.id);
    states.set(member.id, member.state);
    if (before === member.state || before === undefined) return;
    const subject = this.#simulation.node(member.id);
    if (subject === undefined || !subject.isLive || subject.hasLeft) return;
    const { network } = this.#simulation;
    if (network.isCut(node, subject) || network.isCut(subject, node)) return;
    if (member.state === 'suspect') this.suspicions++;
    if (member.state === 'dead') {
      this.deaths++;
      this.buried.add(member.id);
    }
  }
}

/** @param sorted ascending */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * q;
  const low = sorted[Math.floor(place)] as number;
  const high = sorted[Math.ceil(place)] as number;
  return low + (high - low) * (place - Math.floor(place));
}
