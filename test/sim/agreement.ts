// Whether the nodes see what is: the state that every run must come to once the network lets it.

import type { Endpoint, Prefix } from '../../src/core/types.js';
import type { Member, MemberRecord } from '../../src/mesh/types.js';
import type { SimulatedNode } from './node.js';
import type { Simulation } from './simulation.js';

/** What is wrong with the view that `observer` has of `other`; null: nothing. */
function disagreement(
  simulation: Simulation,
  observer: SimulatedNode,
  other: SimulatedNode,
): string | null {
  const member = observer.mesh?.member(other.id);
  const about = `node ${observer.index} holds node ${other.index} as ${member?.state ?? 'unknown'}`;
  if (other.hasLeft || other.mesh === null) {
    if (member?.state === 'dead' && other.hasLeft) return toldOfLeave(simulation, other, about);
    return isGone(member) ? null : `${about}: it ${other.hasLeft ? 'has left' : 'is not running'}`;
  }
  if (member?.state !== 'alive') return `${about}: it is alive`;
  const own = other.mesh.self();
  if (member.record.incarnation !== own.incarnation) {
    return `${about} at incarnation ${member.record.incarnation}, it is at ${own.incarnation}`;
  }
  if (!sameRecord(member.record, own)) {
    return `${about} by another record of the same incarnation ${own.incarnation}`;
  }
  return null;
}

/** A member that is no more is held as such until it is forgotten. */
function isGone(member: Member | undefined): boolean {
  return member === undefined || member.state === 'dead' || member.state === 'left';
}

/** Who leaves unheard is dead to all; what one has heard all must hear. */
function toldOfLeave(simulation: Simulation, gone: SimulatedNode, about: string): string | null {
  const heard = simulation.nodes.find(
    (node) => node.isLive && !node.hasLeft && node.mesh?.member(gone.id)?.state === 'left',
  );
  return heard === undefined ? null : `${about}: node ${heard.index} knows that it has left`;
}

/** The first few things that a running node sees wrongly of a machine that was ever started. */
export function disagreements(simulation: Simulation, limit = 5): string[] {
  const found: string[] = [];
  for (const observer of simulation.nodes) {
    if (!observer.isLive || observer.hasLeft) continue;
    for (const other of simulation.nodes) {
      if (other === observer || !other.wasStarted) continue;
      const wrong = disagreement(simulation, observer, other);
      if (wrong !== null && found.push(wrong) >= limit) return found;
    }
  }
  return found;
}

export function agree(simulation: Simulation): boolean {
  return disagreements(simulation, 1).length === 0;
}

/** Without making anything: a mesh of thousand compares a million records. */
function sameRecord(a: MemberRecord, b: MemberRecord): boolean {
  return (
    a.id === b.id &&
    a.incarnation === b.incarnation &&
    a.name === b.name &&
    a.addressCounter === b.addressCounter &&
    a.left === b.left &&
    sameBytes(a.certificate, b.certificate) &&
    sameList(a.endpoints, b.endpoints, sameEndpoint) &&
    sameList(a.addresses, b.addresses, sameBytes) &&
    sameList(a.routes, b.routes, samePrefix) &&
    sameList(a.capabilities, b.capabilities, Object.is)
  );
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!same(a[i] as T, b[i] as T)) return false;
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && sameBytes(a.address, b.address);
}

function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && sameBytes(a.address, b.address);
}
