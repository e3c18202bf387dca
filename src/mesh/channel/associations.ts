// What is kept of each node that was spoken with: the pair's key, so that its Diffie-Hellman is done once, and its
// sessions. Members have room by right; strangers share a small table.

import type { Token } from '../../wire/gossip.js';
import { publicKeyOf } from '../identity.js';
import { RateLimit } from '../rate.js';
import { MAX_MEMBERS, type NodeId } from '../types.js';
import type { ChannelEnvironment, Counters } from './environment.js';
import { PairKey } from './keys.js';
import { MAX_STRANGERS, MESSAGES_PER_STRANGER, PENDING_MS } from './limits.js';
import type { Session } from './session.js';
import type { LocalTokens } from './tokens.js';

export class Association {
  readonly id: NodeId;
  readonly pair: PairKey;
  readonly strangerRate = new RateLimit(MESSAGES_PER_STRANGER);
  /** Sends and receives: the newest in which both have proven that they are there now. */
  current: Session | null = null;
  /** Still receives what was under way. */
  previous: Session | null = null;
  /** Accepted by us; becomes current with the first data, which proves that its hello was not a repeated one. */
  pending: Session | null = null;
  /** The datagram that told the peer of `pending`. */
  pendingAccept: Uint8Array | null = null;

  constructor(id: NodeId, pair: PairKey) {
    this.id = id;
    this.pair = pair;
  }
}

export class Associations {
  readonly #environment: ChannelEnvironment;
  readonly #tokens: LocalTokens;
  readonly #counters: Counters;
  readonly #onRemoved: (association: Association) => void;
  readonly #members = new Map<NodeId, Association>();
  /** Longest silent first. */
  readonly #strangers = new Map<NodeId, Association>();
  readonly #sessions = new Map<number, Session>();
  /** Oldest first. */
  readonly #pending = new Map<Session, Association>();

  constructor(
    environment: ChannelEnvironment,
    tokens: LocalTokens,
    counters: Counters,
    onRemoved: (association: Association) => void,
  ) {
    this.#environment = environment;
    this.#tokens = tokens;
    this.#counters = counters;
    this.#onRemoved = onRemoved;
  }

  get(id: NodeId): Association | undefined {
    return this.#members.get(id) ?? this.#strangers.get(id);
  }

  *all(): Iterable<Association> {
    yield* this.#members.values();
    yield* this.#strangers.values();
  }

  /** Does the Diffie-Hellman. Null if `id` is no valid identity, or our own. What comes back is not kept yet. */
  derive(id: NodeId): Association | null {
    const { crypto, identity, meshKey } = this.#environment;
    if (id === identity.id) return null;
    const key = crypto.agreementPublicKey(publicKeyOf(id));
    const agreement = key && identity.key.agreementKey.diffieHellman(key);
    if (agreement === null) return null;
    const pair = new PairKey(crypto, meshKey, agreement, identity.id, id);
    agreement.fill(0);
    return new Association(id, pair);
  }

  add(association: Association): void {
    if (this.#environment.isMember(association.id)) {
      if (this.#members.size >= MAX_MEMBERS) this.#removeFormerMember();
      this.#members.set(association.id, association);
    } else {
      while (this.#strangers.size >= MAX_STRANGERS) this.#removeSilentStranger();
      this.#strangers.set(association.id, association);
    }
  }

  /** A stranger has spoken: others go first, and it moves if it has become a member. */
  touch(association: Association): void {
    if (this.#strangers.delete(association.id)) this.add(association);
  }

  remove(association: Association): void {
    this.#members.delete(association.id);
    this.#strangers.delete(association.id);
    this.#drop(association.previous);
    this.#drop(association.current);
    this.#drop(association.pending);
    association.pair.wipe();
    this.#onRemoved(association);
  }

  session(token: Token): Session | undefined {
    const session = this.#sessions.get(token.index);
    return session?.localToken.check === token.check ? session : undefined;
  }

  /** Of a hello that we accepted. An earlier one that was never used goes. */
  setPending(association: Association, session: Session, accept: Uint8Array): void {
    this.#drop(association.pending);
    association.pending = session;
    association.pendingAccept = accept;
    this.#sessions.set(session.localToken.index, session);
    this.#pending.set(session, association);
  }

  /** `session` is proven on both sides. */
  setCurrent(association: Association, session: Session): void {
    if (association.pending === session) {
      association.pending = null;
      association.pendingAccept = null;
      this.#pending.delete(session);
    }
    this.#drop(association.previous);
    association.previous = association.current;
    association.current = session;
    this.#sessions.set(session.localToken.index, session);
    this.#counters['sessions-opened']++;
  }

  tick(nowMs: number): void {
    for (const [session, association] of this.#pending) {
      if (session.createdMs + PENDING_MS > nowMs) return;
      association.pending = null;
      association.pendingAccept = null;
      this.#drop(session);
    }
  }

  nextTickMs(): number {
    for (const session of this.#pending.keys()) return session.createdMs + PENDING_MS;
    return Infinity;
  }

  #drop(session: Session | null): void {
    if (session === null) return;
    this.#pending.delete(session);
    this.#sessions.delete(session.localToken.index);
    this.#tokens.release(session.localToken);
    session.wipe();
  }

  #removeFormerMember(): void {
    let oldest: Association | undefined;
    for (const association of this.#members.values()) {
      oldest ??= association;
      if (this.#environment.isMember(association.id)) continue;
      oldest = association;
      break;
    }
    if (oldest !== undefined) this.remove(oldest);
  }

  /** One that has become a member meanwhile only moves. */
  #removeSilentStranger(): void {
    for (const association of this.#strangers.values()) {
      if (this.#environment.isMember(association.id)) {
        this.touch(association);
      } else {
        this.#counters['strangers-evicted']++;
        this.remove(association);
      }
      return;
    }
  }
}
