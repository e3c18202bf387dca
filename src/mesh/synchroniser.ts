// Push/pull: now and then, and at each first contact, two members compare all they know (swim/push-pull.ts) and exchange
// what differs. Each side paces what it gives, so that a newcomer does not get a thousand records at once.
//
//   A: digest --> B            equal: done
//   A <-- buckets :B
//   A: page, page .. --> B     B gives what A lacks, and wants what B lacks
//   A <-- items, want, [more] :B
//   A: items --> B             "more": A begins again soon

import { sameBytes } from '../core/bytes.js';
import type { MeshContext } from './context.js';
import type { Knowledge } from './knowledge.js';
import type { Membership } from './membership.js';
import { encodeMessage, type Message } from './messages.js';
import type { Post } from './post.js';
import type { MemberEntry } from './swim/members.js';
import { DIGEST_KEY_BYTES, splitKeys } from './swim/push-pull.js';
import { randomBelow, randomFraction } from './swim/sampling.js';
import type { NodeId } from './types.js';

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

/** Pages in one round: those of a mesh of thousand members. */
const MAX_PAGES = 128;
/** Keys given or wanted at once. */
const MAX_GIVEN = 128;
const MAX_WANTED = 128;
/** Items given to all in ROUND_MS: who asks while there are many others is sent to somebody else. */
const MAX_GIVEN_TO_ALL = 512;
/** The next round after a "more". Nobody gets more than one answer of a kind, and MAX_GIVEN items, in this time. */
const ROUND_MS = 200;
/** ... and if we are busy. */
const BUSY_MS = 1_000;
const MAX_WAIT_MS = 5_000;
/** ... of which so many follow one another: enough for a full table. */
const MAX_ROUNDS = 64;
/** Nobody is compared with more often than this, but for rounds. */
const AGAIN_MS = 2_000;

/** What we may still give in the present window. */
interface Allowance {
  untilMs: number;
  left: number;
}

export class Synchroniser {
  readonly #context: MeshContext;
  readonly #knowledge: Knowledge;
  readonly #membership: Membership;
  readonly #post: Post;
  readonly #allowances = new Map<NodeId, Allowance>();
  readonly #allowanceOfAll: Allowance = { untilMs: -Infinity, left: 0 };
  readonly #lastMs = new Map<NodeId, number>();
  #nextMs = Infinity;
  /** With whom a round is to follow (null: anybody), and when. */
  #again: { with: NodeId | null; atMs: number } | null = null;
  #rounds = 0;

  constructor(
    context: MeshContext,
    parts: { knowledge: Knowledge; membership: Membership; post: Post },
  ) {
    this.#context = context;
    this.#knowledge = parts.knowledge;
    this.#membership = parts.membership;
    this.#post = parts.post;
  }

  start(nowMs: number): void {
    const { pushPullIntervalMs } = this.#context.config.timings;
    this.#nextMs = nowMs + randomFraction(this.#context.random) * pushPullIntervalMs;
  }

  stop(): void {
    this.#nextMs = Infinity;
    this.#again = null;
  }

  forgotten(id: NodeId): void {
    this.#allowances.delete(id);
    this.#lastMs.delete(id);
  }

  get nextMs(): number {
    return Math.min(this.#nextMs, this.#again?.atMs ?? Infinity);
  }

  tick(nowMs: number): void {
    if (this.#again !== null && nowMs >= this.#again.atMs) {
      const { with: id } = this.#again;
      const entry = id === null ? this.#anybody() : this.#context.table.get(id);
      this.#again = null;
      if (entry !== undefined) this.#begin(nowMs, entry);
    }
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + this.#context.config.timings.pushPullIntervalMs;
    if (this.#lastMs.size > 0) this.#membership.settled = true;
    this.#rounds = 0;
    const partner = this.#anybody();
    if (partner !== undefined) this.#begin(nowMs, partner);
  }

  #anybody(): MemberEntry | undefined {
    return this.#context.table.sample(1, (entry) => entry.state === 'alive')[0];
  }

  /** A first contact, or the first for long. */
  contact(nowMs: number, entry: MemberEntry): void {
    if (this.isWith(nowMs, entry.id)) return;
    this.#rounds = 0;
    this.#begin(nowMs, entry);
  }

  /** A round with this member is under way: what it tells may be what we asked for. */
  isWith(nowMs: number, id: NodeId): boolean {
    return nowMs - (this.#lastMs.get(id) ?? -Infinity) < AGAIN_MS;
  }

  #begin(nowMs: number, entry: MemberEntry): void {
    this.#lastMs.set(entry.id, nowMs);
    const hash = this.#knowledge.digest.root();
    this.#post.send(nowMs, entry, [encodeMessage({ type: 'digest', hash })]);
  }

  receiveDigest(nowMs: number, from: MemberEntry, message: MessageOf<'digest'>): void {
    if (sameBytes(message.hash, this.#knowledge.digest.root())) {
      this.#membership.settled = true;
      // An answer in kind tells the other that it is settled too.
      if (!this.isWith(nowMs, from.id)) this.#begin(nowMs, from);
      return;
    }
    if (nowMs - from.gotBucketsMs < ROUND_MS) {
      this.#context.counters.add('digest-over-rate');
      return;
    }
    from.gotBucketsMs = nowMs;
    const hashes = this.#knowledge.digest.bucketHashes();
    this.#post.send(nowMs, from, [encodeMessage({ type: 'buckets', hashes })]);
  }

  receiveBuckets(nowMs: number, from: MemberEntry, message: MessageOf<'buckets'>): void {
    const { digest } = this.#knowledge;
    const differing = digest.differing(message.hashes);
    if (differing.length === 0) return;
    if (nowMs - from.gotPagesMs < ROUND_MS) {
      this.#context.counters.add('buckets-over-rate');
      return;
    }
    from.gotPagesMs = nowMs;
    // If not all fit into this round, another begins elsewhere.
    const pick = (count: number) => randomBelow(this.#context.random, count);
    const start = pick(differing.length);
    const pages = Math.min(differing.length, MAX_PAGES);
    const messages = Array.from({ length: pages }, (_, i) => {
      const bucket = differing[(start + i) % differing.length] as number;
      return encodeMessage({ type: 'page', bucket, entries: digest.page(bucket, pick) });
    });
    this.#post.send(nowMs, from, messages);
  }

  receivePages(nowMs: number, from: MemberEntry, pages: readonly MessageOf<'page'>[]): void {
    const give: string[] = [];
    const want: Uint8Array[] = [];
    for (const { bucket, entries } of pages) {
      const differences = this.#knowledge.digest.compare(bucket, entries);
      if (differences === null) {
        this.#context.counters.add('page-malformed');
        continue;
      }
      give.push(...differences.ours);
      want.push(...differences.theirs);
    }
    const messages: Uint8Array[] = [];
    if (want.length > 0) {
      const keys = new Uint8Array(Math.min(want.length, MAX_WANTED) * DIGEST_KEY_BYTES);
      for (const [i, key] of want.slice(0, MAX_WANTED).entries())
        keys.set(key, i * DIGEST_KEY_BYTES);
      messages.push(encodeMessage({ type: 'want', keys }));
    }
    this.#give(nowMs, from, give, messages);
  }

  receiveWant(nowMs: number, from: MemberEntry, message: MessageOf<'want'>): void {
    const keys = splitKeys(message.keys);
    if (keys === null) this.#context.counters.add('page-malformed');
    else this.#give(nowMs, from, keys, []);
  }

  receiveMore(nowMs: number, from: MemberEntry, message: MessageOf<'more'>): void {
    if (this.#rounds >= MAX_ROUNDS || this.#again !== null) return;
    this.#rounds++;
    const waitMs = Math.min(Math.max(message.afterMs, ROUND_MS), MAX_WAIT_MS);
    this.#again = { with: message.busy ? null : from.id, atMs: nowMs + waitMs };
  }

  #give(nowMs: number, to: MemberEntry, keys: readonly string[], first: Uint8Array[]): void {
    const messages = [...first];
    const own = this.#allowance(to.id);
    const given = Math.min(
      keys.length,
      available(nowMs, own, MAX_GIVEN),
      available(nowMs, this.#allowanceOfAll, MAX_GIVEN_TO_ALL),
    );
    own.left -= given;
    this.#allowanceOfAll.left -= given;
    for (const key of keys.slice(0, given)) messages.push(...this.#knowledge.messages(key));
    if (given < keys.length) {
      const busy = this.#allowanceOfAll.left === 0;
      const pauseMs = busy ? BUSY_MS * (1 + randomFraction(this.#context.random)) : ROUND_MS;
      messages.push(encodeMessage({ type: 'more', afterMs: Math.floor(pauseMs), busy }));
    }
    if (messages.length > 0) this.#post.send(nowMs, to, messages);
  }

  #allowance(id: NodeId): Allowance {
    let allowance = this.#allowances.get(id);
    if (allowance === undefined) {
      allowance = { untilMs: -Infinity, left: 0 };
      this.#allowances.set(id, allowance);
    }
    return allowance;
  }
}

/** What is left of an allowance of `max` in each ROUND_MS. */
function available(nowMs: number, allowance: Allowance, max: number): number {
  if (nowMs >= allowance.untilMs) {
    allowance.untilMs = nowMs + ROUND_MS;
    allowance.left = max;
  }
  return allowance.left;
}
