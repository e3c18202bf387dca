// Path validation (after RFC 9000, section 8.2). The address that a datagram comes from is its sender's word alone, and what
// a member asks for may be many times its question: nothing of the kind goes to an address before the member has repeated
// a random number that was sent there. A handshake over that way has shown the same (ReceivedMessage.proven).

import { sameEndpoint } from '../core/network.js';
import type { Path } from '../core/types.js';
import type { MeshContext } from './context.js';
import { encodeMessage, type Message, PATH_NONCE_BYTES } from './messages.js';
import type { Post } from './post.js';
import type { MemberEntry } from './swim/members.js';
import type { NodeId } from './types.js';

/** A challenge is not repeated, nor another sent to the same member, within this time. */
const CHALLENGE_INTERVAL_MS = 250;
/** What was asked along an unproven way waits so long for the proof, and so much of it does. */
const WAIT_MS = 3_000;
const MAX_WAITING = 8;

interface Attempt {
  readonly path: Path;
  readonly nonce: Uint8Array;
  readonly startedMs: number;
  sentMs: number;
  readonly waiting: Message[];
}

/** What can be said now that a way is proven. */
export interface Proven {
  readonly path: Path;
  readonly waiting: readonly Message[];
}

export class PathValidation {
  readonly #context: MeshContext;
  readonly #post: Post;
  /** One a member, the latest. */
  readonly #attempts = new Map<NodeId, Attempt>();

  constructor(context: MeshContext, post: Post) {
    this.#context = context;
    this.#post = post;
  }

  /**
   * A member has spoken along `path`. Replies take it from here on if it is proven; else the member is challenged there.
   * @param byHandshake its session was opened over this way
   * @returns whether `path` is proven
   */
  heard(nowMs: number, entry: MemberEntry, path: Path, byHandshake: boolean): boolean {
    if (byHandshake || entry.isProven(nowMs, path.remote)) {
      this.#adopt(nowMs, entry, path);
      // A proof does not last: whoever was there may be there no more.
      if (entry.wantsProof(nowMs)) this.#challenge(nowMs, entry, path);
      return true;
    }
    this.#challenge(nowMs, entry, path);
    return false;
  }

  /** Keeps what was asked along a way that is not proven until it is. */
  defer(from: NodeId, path: Path, message: Message): void {
    const attempt = this.#attempts.get(from);
    const matches = attempt !== undefined && sameEndpoint(attempt.path.remote, path.remote);
    if (matches && attempt.waiting.length < MAX_WAITING) attempt.waiting.push(message);
    else this.#context.counters.add('unproven-path');
  }

  receiveChallenge(nowMs: number, from: MemberEntry, path: Path, nonce: Uint8Array): void {
    const response = encodeMessage({ type: 'path-response', nonce });
    this.#post.sendTo(nowMs, from.id, path, [response]);
  }

  /** Null if it answers no challenge. */
  receiveResponse(nowMs: number, from: MemberEntry, nonce: Uint8Array): Proven | null {
    const attempt = this.#attempts.get(from.id);
    const isOver = attempt === undefined || nowMs - attempt.startedMs > WAIT_MS;
    if (isOver || !this.#context.crypto.equal(attempt.nonce, nonce)) {
      this.#context.counters.add('path-response-unexpected');
      return null;
    }
    this.#attempts.delete(from.id);
    this.#context.counters.add('path-proven');
    from.provenMs = nowMs;
    this.#adopt(nowMs, from, attempt.path);
    return attempt;
  }

  forgotten(id: NodeId): void {
    this.#attempts.delete(id);
  }

  #adopt(nowMs: number, entry: MemberEntry, path: Path): void {
    const isNew = !entry.isProven(nowMs, path.remote);
    entry.path = path;
    if (!isNew) return;
    entry.provenMs = nowMs;
    const member = entry.snapshot();
    this.#context.effects.push({ type: 'member-changed', member, reason: 'endpoint' });
  }

  #challenge(nowMs: number, { id }: MemberEntry, path: Path): void {
    const known = this.#attempts.get(id);
    if (known !== undefined && nowMs - known.sentMs < CHALLENGE_INTERVAL_MS) return;
    const goesOn =
      known !== undefined &&
      sameEndpoint(known.path.remote, path.remote) &&
      nowMs - known.startedMs < WAIT_MS;
    const attempt = goesOn ? known : this.#begin(nowMs, path);
    attempt.sentMs = nowMs;
    this.#attempts.set(id, attempt);
    this.#context.counters.add('path-challenged');
    const { nonce } = attempt;
    this.#post.sendTo(nowMs, id, path, [encodeMessage({ type: 'path-challenge', nonce })]);
  }

  #begin(nowMs: number, path: Path): Attempt {
    const nonce = this.#context.random.bytes(PATH_NONCE_BYTES);
    return { path, nonce, startedMs: nowMs, sentMs: nowMs, waiting: [] };
  }
}
