// How a node finds its mesh, at the start and for ever after: while nobody answers, seeds and members known from an earlier
// run are greeted with growing pauses; later, seeds that are no member in sight are still greeted now and then, since
// they may be on the other side of a split.

import { sameEndpoint } from '../core/network.js';
import type { Endpoint } from '../core/types.js';
import type { MeshContext, Seed } from './context.js';
import type { Post } from './post.js';
import type { MemberEntry } from './swim/members.js';
import { randomFraction, sample } from './swim/sampling.js';
import type { NodeId } from './types.js';

/** Known members that are greeted at once while nobody answers. */
const MAX_GREETED_MEMBERS = 4;
/** Identities that are tried at once at a seed whose own is not known. */
const MAX_TRIED_IDENTITIES = 8;

export class Contact {
  readonly #context: MeshContext;
  readonly #post: Post;
  readonly #hello: () => Uint8Array;
  #seeds: readonly Seed[];
  #nextMs = Infinity;
  #backoffMs: number;

  constructor(context: MeshContext, post: Post, hello: () => Uint8Array) {
    this.#context = context;
    this.#post = post;
    this.#hello = hello;
    this.#seeds = context.config.seeds;
    this.#backoffMs = context.config.timings.contactMinMs;
  }

  get nextMs(): number {
    return this.#nextMs;
  }

  start(nowMs: number): void {
    this.#backoffMs = this.#context.config.timings.contactMinMs;
    this.#nextMs = nowMs;
  }

  stop(): void {
    this.#nextMs = Infinity;
  }

  setSeeds(nowMs: number, seeds: readonly Seed[]): void {
    this.#seeds = [...seeds];
    if (this.#nextMs < Infinity && !this.#connected) this.start(nowMs);
  }

  /** Our network has changed: whoever did not answer may answer now. */
  retry(nowMs: number): void {
    for (const { trials } of this.#context.table.entries()) trials.reset();
    if (this.#nextMs < Infinity && !this.#connected) this.start(nowMs);
  }

  tick(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    const { contactMinMs, contactMaxMs } = this.#context.config.timings;
    const connected = this.#connected;
    this.#greetSeeds(nowMs);
    if (connected) this.#backoffMs = contactMinMs;
    else this.#greetMembers(nowMs);
    const pauseMs = connected ? contactMaxMs : this.#backoffMs;
    this.#backoffMs = Math.min(2 * this.#backoffMs, contactMaxMs);
    // Jitter: nodes that were started together do not greet together for ever.
    this.#nextMs = nowMs + pauseMs * (0.75 + 0.5 * randomFraction(this.#context.random));
  }

  /** Somebody alive has answered us. */
  get #connected(): boolean {
    return this.#context.table.entries().some((entry) => entry.isPresent && entry.knowsUs);
  }

  #greetMembers(nowMs: number): void {
    const greeted = this.#context.table.sample(
      MAX_GREETED_MEMBERS,
      (entry) => entry.state !== 'left',
    );
    for (const entry of greeted) {
      const candidates = entry.candidates();
      const via = candidates[entry.endpointTurn++ % Math.max(1, candidates.length)];
      if (via === undefined) continue;
      this.#context.counters.add('greeted');
      this.#post.send(nowMs, entry, [this.#hello()], via);
    }
  }

  #greetSeeds(nowMs: number): void {
    for (const seed of this.#seeds) {
      if (this.#isInSight(seed)) continue;
      for (const id of this.#identitiesAt(seed)) this.#greet(nowMs, id, seed);
    }
  }

  #greet(nowMs: number, id: NodeId, via: Endpoint): void {
    this.#context.counters.add('greeted');
    this.#post.sendTo(nowMs, id, via, [this.#hello()]);
  }

  #isInSight(seed: Seed): boolean {
    const { table, identity } = this.#context;
    if (seed.id === identity.id) return true;
    if (seed.id !== undefined) return isInTouch(table.get(seed.id));
    return table.entries().some((entry) => isInTouch(entry) && isAt(entry, seed));
  }

  /** Who may be found at a seed. */
  #identitiesAt(seed: Seed): NodeId[] {
    if (seed.id !== undefined) return [seed.id];
    const { table, trust, identity, random } = this.#context;
    const here = table.entries().find((entry) => isAt(entry, seed));
    if (here !== undefined) return [here.id];
    const candidates = new Set<NodeId>();
    for (const { id } of trust.nodes()) if (!isInTouch(table.get(id))) candidates.add(id);
    for (const entry of table.entries()) if (!isInTouch(entry)) candidates.add(entry.id);
    candidates.delete(identity.id);
    return sample(random, [...candidates], MAX_TRIED_IDENTITIES, () => true);
  }
}

function isInTouch(entry: MemberEntry | undefined): boolean {
  return entry?.isPresent === true && entry.knowsUs;
}

function isAt(entry: MemberEntry, seed: Endpoint): boolean {
  const { observedEndpoint, record } = entry;
  if (observedEndpoint !== null && sameEndpoint(observedEndpoint, seed)) return true;
  return record.endpoints.some((endpoint) => sameEndpoint(endpoint, seed));
}
