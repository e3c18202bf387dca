// What must hold after every step of every node, whatever the network and the machines do. Watches each input's effects;
// audit() compares them with what the nodes hold.
//
//   - nobody holds a record that its owner has not published, and no incarnation ever goes back
//   - nobody is `left` without its own word
//   - nobody holds more than the members there are
//   - the effects tell everything: what a node reported is what it holds

import type { Member, MemberRecord, NodeId } from '../../src/mesh/types.js';
import type { Observer, SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';

export class InvariantViolation extends Error {}

/** What one process has reported. */
interface View {
  readonly states: Map<NodeId, Member['state']>;
  readonly incarnations: Map<NodeId, number>;
}

export class Invariants implements Observer {
  /** Who says what it likes of itself: only its records are not compared. */
  readonly liars = new Set<NodeId>();
  readonly #simulation: Simulation;
  readonly #views = new Map<SimulatedNode, View>();
  /** Fingerprints of all records that each node has made. */
  readonly #published = new Map<NodeId, Set<string>>();
  readonly #latest = new Map<SimulatedNode, MemberRecord>();
  readonly #known = new WeakSet<MemberRecord>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    simulation.observers.push(this);
    for (const record of simulation.earlierRecords) this.#publishRecord(record);
  }

  started(node: SimulatedNode): void {
    this.#views.set(node, { states: new Map(), incarnations: new Map() });
    this.#latest.delete(node);
    this.#publish(node);
  }

  memberChanged(node: SimulatedNode, member: Member): void {
    // what the node says of itself goes out in the same step
    this.#publish(node);
    this.#check(node, member);
    const view = this.#view(node);
    const before = view.incarnations.get(member.id) ?? 0;
    if (member.record.incarnation < before) {
      fail(node, `${this.#name(member.id)} goes back to incarnation ${member.record.incarnation}`);
    }
    view.states.set(member.id, member.state);
    view.incarnations.set(member.id, member.record.incarnation);
  }

  memberForgotten(node: SimulatedNode, id: NodeId): void {
    this.#view(node).states.delete(id);
  }

  stepped(node: SimulatedNode): void {
    this.#publish(node);
  }

  /** Everything that this node holds, against what it reported. */
  audit(node: SimulatedNode): void {
    if (node.mesh === null) return;
    const { states } = this.#view(node);
    let count = 0;
    for (const member of node.mesh.members()) {
      if (member.id === node.id) fail(node, 'is among its own members');
      this.#check(node, member);
      const reported = states.get(member.id);
      if (reported !== member.state) {
        fail(node, `holds ${this.#name(member.id)} as ${member.state}, reported ${reported}`);
      }
      count++;
    }
    if (count !== states.size) fail(node, `holds ${count} members, reported ${states.size}`);
  }

  auditAll(): void {
    for (const node of this.#simulation.nodes) this.audit(node);
  }

  #publish(node: SimulatedNode): void {
    const record = node.mesh?.self();
    const latest = this.#latest.get(node);
    if (record === undefined || record === latest) return;
    if (latest !== undefined && record.incarnation < latest.incarnation) {
      fail(node, `its own incarnation goes back from ${latest.incarnation}`);
    }
    this.#latest.set(node, record);
    this.#publishRecord(record);
  }

  #publishRecord(record: MemberRecord): void {
    let published = this.#published.get(record.id);
    if (published === undefined) {
      published = new Set();
      this.#published.set(record.id, published);
    }
    published.add(fingerprint(record));
  }

  #check(node: SimulatedNode, { id, record, state }: Member): void {
    if (this.#simulation.node(id) === undefined) fail(node, `knows ${id}, which there is not`);
    if (record.id !== id) fail(node, `holds a record of ${this.#name(record.id)} as another's`);
    if ((state === 'left') !== record.left) {
      fail(node, `holds ${this.#name(id)} as ${state}, which said left: ${record.left}`);
    }
    if (this.#known.has(record) || this.liars.has(id)) return;
    if (!this.#published.get(id)?.has(fingerprint(record))) {
      fail(node, `holds a record that ${this.#name(id)} never made: ${fingerprint(record)}`);
    }
    this.#known.add(record);
  }

  #view(node: SimulatedNode): View {
    const view = this.#views.get(node);
    if (view === undefined) throw new Error(`Node ${node.index} was never started`);
    return view;
  }

  #name(id: NodeId): string {
    return `node ${this.#simulation.node(id)?.index ?? id}`;
  }
}

function fail(node: SimulatedNode, what: string): never {
  throw new InvariantViolation(`Node ${node.index}: ${what}`);
}

/** All of a record, in one line. */
export function fingerprint(record: MemberRecord): string {
  const { id, incarnation, name, endpoints, addresses, addressCounter, routes } = record;
  const { capabilities, certificate, left } = record;
  const fields: unknown[] = [
    id,
    incarnation,
    name,
    endpoints.map(({ address, port }) => [address, port]),
  ];
  fields.push(
    addresses,
    addressCounter,
    routes.map(({ address, length }) => [address, length]),
  );
  fields.push(capabilities, certificate, left);
  return JSON.stringify(fields, (_key, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  );
}
