// Records that are not looked at again when others pass them on: those that were refused a moment ago, and those of members
// that were forgotten. What an owner says itself is always looked at.

import { MAX_MEMBERS, type NodeId } from './types.js';

/** A record that was refused is not verified again for so long. */
const REFUSED_MS = 60_000;
const MAX_REFUSED = 1_024;
const MAX_FORGOTTEN = MAX_MEMBERS;

interface Refused {
  readonly incarnation: number;
  readonly untilMs: number;
}

export class Refusals {
  readonly #refused = new Map<NodeId, Refused>();
  /** Incarnations of members that were forgotten: a stale record must not bring them back. */
  readonly #forgotten = new Map<NodeId, number>();

  /** Why a record need not be looked at; null: it must be. */
  of(nowMs: number, id: NodeId, incarnation: number): 'forgotten' | 'refused' | null {
    const forgotten = this.#forgotten.get(id);
    if (forgotten !== undefined && incarnation <= forgotten) return 'forgotten';
    const refused = this.#refused.get(id);
    const isRefused =
      refused !== undefined && refused.incarnation >= incarnation && refused.untilMs > nowMs;
    return isRefused ? 'refused' : null;
  }

  refuse(nowMs: number, id: NodeId, incarnation: number): void {
    this.#refused.delete(id);
    this.#refused.set(id, { incarnation, untilMs: nowMs + REFUSED_MS });
    dropOldest(this.#refused, MAX_REFUSED);
  }

  forget(id: NodeId, incarnation: number): void {
    this.#forgotten.set(id, incarnation);
    dropOldest(this.#forgotten, MAX_FORGOTTEN);
  }

  /** It is a member now. */
  admit(id: NodeId): void {
    this.#forgotten.delete(id);
    this.#refused.delete(id);
  }

  /** Others are trusted now: what was refused may be accepted. */
  trustChanged(): void {
    this.#refused.clear();
  }
}

function dropOldest<K>(map: Map<K, unknown>, max: number): void {
  if (map.size <= max) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
