// What other nodes say, once it is authenticated: each message goes to the part of the mesh core that it is for. Behind
// post.ts, before membership.ts, detector.ts, synchroniser.ts and join-desk.ts.

import type { Path } from '../core/types.js';
import type { MeshContext } from './context.js';
import type { Detector } from './detector.js';
import type { JoinDesk } from './join-desk.js';
import { type Membership, reminder, type Source } from './membership.js';
import type { Message } from './messages.js';
import type { PathValidation } from './path-validation.js';
import type { Post, Received } from './post.js';
import { recordId } from './record.js';
import type { MemberEntry } from './swim/members.js';
import type { Synchroniser } from './synchroniser.js';
import type { NodeId } from './types.js';

type Page = Extract<Message, { type: 'page' }>;

export interface InboxParts {
  readonly post: Post;
  readonly paths: PathValidation;
  readonly membership: Membership;
  readonly detector: Detector;
  readonly synchroniser: Synchroniser;
  readonly joinDesk: JoinDesk;
}

export class Inbox {
  readonly #context: MeshContext;
  readonly #parts: InboxParts;
  /** False: what is said is heard, and not answered. */
  isAnswering = false;

  constructor(context: MeshContext, parts: InboxParts) {
    this.#context = context;
    this.#parts = parts;
  }

  receive(nowMs: number, { from, path, proven: byHandshake, messages }: Received): void {
    const entry = this.#context.table.get(from);
    if (entry !== undefined) this.#heard(nowMs, entry, path, byHandshake);
    const introductions = new Set<Message['type']>();
    const pages: Page[] = [];
    for (const message of messages) {
      // Looked up each time: a message may have made it a member, or no member any more.
      const member = this.#context.table.get(from);
      if (member?.rate.allow(nowMs) === false) this.#context.counters.add('member-over-rate');
      else if (message.type === 'hello' || message.type === 'join') {
        // The answer may be larger: one datagram gets no more than one of each.
        if (introductions.has(message.type)) this.#context.counters.add('introduction-repeated');
        else if (message.type === 'hello') {
          this.#receiveHello(nowMs, from, path, byHandshake, message);
        } else if (byHandshake) this.#parts.joinDesk.receive(nowMs, from, path, message);
        else this.#context.counters.add('unproven-path');
        introductions.add(message.type);
      } else if (member === undefined) this.#context.counters.add('from-stranger');
      else if (message.type === 'page') pages.push(message);
      else this.#receiveFromMember(nowMs, member, path, message);
    }
    this.#receivePages(nowMs, from, path, pages);
  }

  /** Those of one datagram together: their answer is one. */
  #receivePages(nowMs: number, from: NodeId, path: Path, pages: readonly Page[]): void {
    const member = this.#context.table.get(from);
    if (pages.length === 0 || member === undefined) return;
    if (member.isProven(nowMs, path.remote))
      this.#parts.synchroniser.receivePages(nowMs, member, pages);
    else for (const page of pages) this.#parts.paths.defer(from, path, page);
  }

  /** @returns whether `path` is proven to lead to the member */
  #heard(nowMs: number, entry: MemberEntry, path: Path, byHandshake: boolean): boolean {
    const proven = this.#parts.paths.heard(nowMs, entry, path, byHandshake);
    this.#parts.membership.heard(nowMs, entry);
    return proven;
  }

  /** Somebody says who it is: all that a stranger is heard for, but for an invite. */
  #receiveHello(
    nowMs: number,
    from: NodeId,
    path: Path,
    byHandshake: boolean,
    hello: Extract<Message, { type: 'hello' }>,
  ): void {
    if (recordId(hello.payload) !== from) {
      this.#context.counters.add('hello-of-another');
      return;
    }
    const { outcome } = this.#parts.membership.record(
      nowMs,
      hello.payload,
      hello.signature,
      'owner',
    );
    const entry = this.#context.table.get(from);
    if (entry === undefined || !this.isAnswering) return;
    const isProven = this.#heard(nowMs, entry, path, byHandshake);
    const answer: Uint8Array[] = [];
    // It was restarted without its state: it must go above what it once was.
    if (outcome === 'stale') answer.push(...reminder(entry));
    if (hello.answer) answer.push(this.#parts.detector.hello(false));
    if (!isProven) this.#parts.paths.defer(from, path, hello);
    else if (answer.length > 0) this.#parts.post.send(nowMs, entry, answer, path);
    if (hello.answer) return;
    entry.knowsUs = true;
    this.#parts.synchroniser.contact(nowMs, entry);
  }

  #receiveFromMember(nowMs: number, from: MemberEntry, path: Path, message: Message): void {
    switch (message.type) {
      case 'record':
        this.#receiveRecord(nowMs, from, message.payload, message.signature);
        break;
      case 'accusation':
        this.#parts.membership.accusation(nowMs, message);
        break;
      case 'revocation':
        this.#parts.membership.revocation(nowMs, message.bytes);
        break;
      case 'ping':
        if (this.isAnswering) this.#parts.detector.receivePing(nowMs, from, path, message);
        break;
      case 'ack':
        this.#parts.detector.receiveAck(nowMs, from, message);
        break;
      case 'indirect-ping':
        if (!from.relayRate.allow(nowMs)) this.#context.counters.add('relay-over-rate');
        else this.#parts.detector.receiveIndirectPing(nowMs, from, message);
        break;
      case 'relayed-ack':
        this.#parts.detector.receiveRelayedAck(message);
        break;
      case 'nack':
        this.#parts.detector.receiveNack(from, message);
        break;
      case 'path-challenge':
        this.#parts.paths.receiveChallenge(nowMs, from, path, message.nonce);
        break;
      case 'path-response':
        this.#receivePathResponse(nowMs, from, message.nonce);
        break;
      case 'digest':
      case 'buckets':
      case 'want':
        if (from.isProven(nowMs, path.remote)) this.#receiveQuestion(nowMs, from, message);
        else this.#parts.paths.defer(from.id, path, message);
        break;
      case 'more':
        this.#parts.synchroniser.receiveMore(nowMs, from, message);
        break;
    }
  }

  /** The answer may be much longer: it goes only where the question came from, and that is proven. */
  #receiveQuestion(
    nowMs: number,
    from: MemberEntry,
    message: Extract<Message, { type: 'digest' | 'buckets' | 'want' }>,
  ): void {
    const { synchroniser } = this.#parts;
    if (message.type === 'digest') synchroniser.receiveDigest(nowMs, from, message);
    else if (message.type === 'buckets') synchroniser.receiveBuckets(nowMs, from, message);
    else synchroniser.receiveWant(nowMs, from, message);
  }

  /** What was asked meanwhile is answered. */
  #receivePathResponse(nowMs: number, from: MemberEntry, nonce: Uint8Array): void {
    const proven = this.#parts.paths.receiveResponse(nowMs, from, nonce);
    if (proven === null) return;
    const { path, waiting } = proven;
    for (const message of waiting) {
      if (message.type === 'hello') this.#receiveHello(nowMs, from.id, path, true, message);
      else this.#receiveFromMember(nowMs, from, path, message);
    }
    const pages = waiting.filter((message) => message.type === 'page');
    this.#receivePages(nowMs, from.id, path, pages);
  }

  #receiveRecord(
    nowMs: number,
    from: MemberEntry,
    payload: Uint8Array,
    signature: Uint8Array,
  ): void {
    const source: Source = this.#parts.synchroniser.isWith(nowMs, from.id) ? 'sync' : 'news';
    this.#parts.membership.record(nowMs, payload, signature, source);
  }
}
