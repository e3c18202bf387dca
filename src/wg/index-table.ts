// Our 32-bit session indices: the receiver field of what peers send us. An index is random, so that it tells nothing
// of how many sessions there are, and stays taken until both the handshake and the keypair that used it are gone.

import { type Random, randomUint32 } from '../core/random.js';

/** Every index taken has one owner, and every owner the set of its indices. */
export class IndexTable<Owner> {
  readonly #random: Random;
  readonly #owners = new Map<number, Owner>();
  readonly #held = new Map<Owner, Set<number>>();

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#owners.size;
  }

  /** Takes an unused index, uniformly random. */
  reserve(owner: Owner): number {
    let index = randomUint32(this.#random);
    while (this.#owners.has(index)) index = randomUint32(this.#random);
    this.#owners.set(index, owner);
    const held = this.#held.get(owner);
    if (held === undefined) this.#held.set(owner, new Set([index]));
    else held.add(index);
    return index;
  }

  owner(index: number): Owner | undefined {
    return this.#owners.get(index);
  }

  release(index: number): void {
    const owner = this.#owners.get(index);
    if (owner === undefined) return;
    this.#owners.delete(index);
    const held = this.#held.get(owner);
    held?.delete(index);
    if (held?.size === 0) this.#held.delete(owner);
  }

  releaseAll(owner: Owner): void {
    for (const index of this.#held.get(owner) ?? []) this.#owners.delete(index);
    this.#held.delete(owner);
  }
}
