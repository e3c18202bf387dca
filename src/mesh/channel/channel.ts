// The encrypted way between members: gossip datagrams in, authenticated and fresh messages out, and the reverse. Sits
// between the UDP port that the mesh shares with WireGuard and the mesh's messages (docs/protocol.md, "Gossip").
//
//   send -> session? -> seal -> outbox                      receive -> decode -> data    -> session -> open -> message
//              no -> initiator: hello, cookie, accept                         -> hello   -> responder: cookie, accept
//                                                                             -> cookie, accept -> initiator
//                                                                             -> unknown -> a session that was lost

import { sameEndpoint } from '../../core/network.js';
import type { Datagram, Endpoint, Path } from '../../core/types.js';
import {
  ACCEPT_TYPE,
  type Accept,
  COOKIE_TYPE,
  DATA_TYPE,
  type Data,
  decodeGossip,
  encodeUnknown,
  HELLO_TYPE,
  MAX_PLAINTEXT,
  macField,
  type Token,
  UNKNOWN_TYPE,
  type Unknown,
} from '../../wire/gossip.js';
import { RateLimit, SourceRateLimit } from '../rate.js';
import type { NodeId } from '../types.js';
import { type Association, Associations } from './associations.js';
import { type ChannelEnvironment, type Counter, createCounters, Outbox } from './environment.js';
import { Initiator } from './initiator.js';
import { unknownKey } from './keys.js';
import {
  LOST_SESSIONS,
  STRANGER_MESSAGES,
  TRIAL_HELLOS,
  UNPROVEN_PER_SOURCE,
  UNPROVEN_SHARED,
} from './limits.js';
import { Responder } from './responder.js';
import type { Outgoing, Session } from './session.js';
import { LocalTokens, sameToken } from './tokens.js';

export type { ChannelEnvironment } from './environment.js';

const NOTHING = new Uint8Array(0);

/** A message that is authenticated and fresh: from this node, now, and for the first time. */
export interface ReceivedMessage {
  readonly from: NodeId;
  readonly path: Path;
  /** 1 .. MAX_PLAINTEXT bytes. */
  readonly plaintext: Uint8Array;
  /** True: it receives what is sent to where this seems to come from, as the handshake has shown. */
  readonly proven: boolean;
}

export class Channel {
  readonly #environment: ChannelEnvironment;
  readonly #counters = createCounters();
  readonly #outbox = new Outbox(this.#counters);
  readonly #tokens: LocalTokens;
  readonly #associations: Associations;
  readonly #initiator: Initiator;
  readonly #responder: Responder;
  readonly #unknownKey: Uint8Array;
  readonly #unprovenPerSource: SourceRateLimit;
  readonly #unprovenShared = new RateLimit(UNPROVEN_SHARED);
  readonly #strangerMessages = new RateLimit(STRANGER_MESSAGES);
  readonly #lostSessions = new RateLimit(LOST_SESSIONS);

  constructor(environment: ChannelEnvironment) {
    const { crypto, random, identity, meshKey } = environment;
    const counters = this.#counters;
    const outbox = this.#outbox;
    const tokens = new LocalTokens(crypto, random, identity.key.agreementSecret);
    const initiator = new Initiator(environment, tokens, outbox, counters);
    const associations = new Associations(environment, tokens, counters, ({ id }) => {
      this.#giveUp(initiator.end(id));
    });
    this.#environment = environment;
    this.#tokens = tokens;
    this.#initiator = initiator;
    this.#associations = associations;
    this.#responder = new Responder(environment, tokens, associations, outbox, counters);
    this.#unknownKey = unknownKey(crypto, meshKey);
    this.#unprovenPerSource = new SourceRateLimit(UNPROVEN_PER_SOURCE, random);
  }

  /**
   * Sends a message, or begins a handshake that it waits for. A message may be lost like any datagram; nothing is
   * repeated but the last one to a peer that had lost its session.
   * @param plaintext 1 .. MAX_PLAINTEXT bytes; not to be changed afterwards
   */
  send(nowMs: number, to: NodeId, endpoint: Endpoint | Path, plaintext: Uint8Array): void {
    if (plaintext.length === 0 || plaintext.length > MAX_PLAINTEXT) {
      throw new RangeError(`A gossip message has 1 to ${MAX_PLAINTEXT} bytes`);
    }
    const path = pathOf(endpoint);
    const association = this.#associations.get(to) ?? this.#derive(to);
    if (association === null) {
      this.#drop('bad-identity');
      return;
    }
    const session = association.current;
    if (session === null || session.lost || session.isOver(nowMs)) {
      this.#initiator.hold(nowMs, association, { path, plaintext });
      return;
    }
    this.#sendBy(nowMs, session, { path, plaintext });
    if (session.isOld(nowMs)) this.#initiator.begin(nowMs, association, path);
  }

  /**
   * As send(), to an address that only somebody's word says the peer has: hellos go there, TRIAL_HELLOS at most, and the
   * message when a handshake has shown that the peer receives there.
   */
  trySend(nowMs: number, to: NodeId, endpoint: Endpoint | Path, plaintext: Uint8Array): void {
    const path = pathOf(endpoint);
    const session = this.#associations.get(to)?.current ?? null;
    const proven = session?.provenRemote ?? null;
    if (session?.isOver(nowMs) === false && proven && sameEndpoint(proven, path.remote)) {
      this.send(nowMs, to, path, plaintext);
      return;
    }
    const association = this.#associations.get(to) ?? this.#derive(to);
    if (association === null) this.#drop('bad-identity');
    else this.#initiator.hold(nowMs, association, { path, plaintext }, TRIAL_HELLOS);
  }

  /** A handshake with this node is in flight, and tries this address. */
  isTrying(id: NodeId, remote: Endpoint): boolean {
    return this.#initiator.isTrying(id, remote);
  }

  /** Null for what is no message: the handshakes of others, and whatever is refused and counted. */
  receive(nowMs: number, { path, bytes }: Datagram): ReceivedMessage | null {
    const datagram = decodeGossip(bytes);
    if (datagram === null) {
      this.#drop('malformed');
      return null;
    }
    switch (datagram.type) {
      case DATA_TYPE:
        return this.#receiveData(nowMs, path, datagram);
      case HELLO_TYPE:
        if (this.#allowUnproven(nowMs, path)) {
          this.#responder.receive(nowMs, path, datagram, bytes);
        }
        return null;
      case COOKIE_TYPE:
        this.#initiator.receiveCookie(nowMs, path, datagram, bytes);
        return null;
      case ACCEPT_TYPE:
        this.#receiveAccept(nowMs, path, datagram, bytes);
        return null;
      case UNKNOWN_TYPE:
        if (this.#allowUnproven(nowMs, path)) this.#receiveUnknown(nowMs, datagram, bytes);
        return null;
    }
  }

  /** Ends all that is kept of a node. It may come again: whether it is a member is asked anew. */
  forget(id: NodeId): void {
    const association = this.#associations.get(id);
    if (association !== undefined) this.#associations.remove(association);
  }

  tick(nowMs: number): void {
    for (const { current } of this.#initiator.tick(nowMs)) {
      // whoever said that the session is lost does not answer: perhaps it was not lost
      if (current !== null) current.lost = false;
    }
    this.#associations.tick(nowMs);
  }

  /** Infinity if nothing is due. */
  nextTickMs(): number {
    return Math.min(this.#initiator.nextTickMs(), this.#associations.nextTickMs());
  }

  /** Each is given once. */
  takeDatagrams(): readonly Datagram[] {
    return this.#outbox.take();
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  /** The peer takes the session for proven with our first data: it is sent now, whatever it is. */
  #receiveAccept(nowMs: number, path: Path, accept: Accept, bytes: Uint8Array): void {
    const opened = this.#initiator.receiveAccept(nowMs, accept, bytes);
    if (opened === null) return;
    this.#associations.setCurrent(opened.association, opened.session);
    const first = opened.held.length > 0 ? opened.held : [{ path, plaintext: NOTHING }];
    for (const outgoing of first) this.#sendBy(nowMs, opened.session, outgoing);
  }

  #receiveData(nowMs: number, path: Path, data: Data): ReceivedMessage | null {
    const session = this.#associations.session(data.token);
    if (session === undefined) {
      this.#answerUnknown(nowMs, path, data.token);
      return null;
    }
    const association = this.#associations.get(session.peer);
    const stranger = !this.#environment.isMember(session.peer);
    const refusal = association && this.#refusal(nowMs, association, session, stranger, data);
    if (association === undefined || refusal) {
      if (refusal) this.#drop(refusal);
      return null;
    }
    const plaintext = session.open(data);
    if (plaintext === null) {
      this.#drop('bad-data');
      return null;
    }
    this.#associations.touch(association);
    if (session === association.pending) this.#confirm(nowMs, association, session);
    if (plaintext.length === 0) return null;
    this.#counters['messages-received']++;
    const { provenRemote } = session;
    const proven = provenRemote !== null && sameEndpoint(provenRemote, path.remote);
    return { from: session.peer, path, plaintext, proven };
  }

  #refusal(
    nowMs: number,
    association: Association,
    session: Session,
    stranger: boolean,
    data: Data,
  ): Counter | null {
    if (session.isOver(nowMs)) return 'session-over';
    if (!session.isFresh(data.counter)) return 'replayed';
    if (!stranger) return null;
    const allowed = association.strangerRate.allow(nowMs) && this.#strangerMessages.allow(nowMs);
    return allowed ? null : 'stranger-messages-over-rate';
  }

  /** The peer has our token: its hello was no repeated one. What waits for a handshake of ours need not wait. */
  #confirm(nowMs: number, association: Association, session: Session): void {
    this.#associations.setCurrent(association, session);
    for (const held of this.#initiator.end(association.id)) this.#sendBy(nowMs, session, held);
  }

  /** A peer that uses a token of ours from before a restart is told; who made one up hears nothing. */
  #answerUnknown(nowMs: number, path: Path, token: Token): void {
    if (!this.#allowUnproven(nowMs, path)) return;
    this.#drop('unknown-token');
    if (!this.#tokens.isOurs(token)) return;
    const bytes = encodeUnknown(token);
    const { covers, field } = macField(bytes);
    field.set(this.#environment.crypto.mac(this.#unknownKey, covers));
    this.#outbox.put(path, bytes);
    this.#counters['unknowns-sent']++;
  }

  /** Only a hint: whoever knows the mesh key can say it. The session stays; a new one is made where we sent to. */
  #receiveUnknown(nowMs: number, unknown: Unknown, bytes: Uint8Array): void {
    const { crypto } = this.#environment;
    const mac = crypto.mac(this.#unknownKey, macField(bytes).covers);
    if (!crypto.equal(mac, unknown.mac) || !this.#lostSessions.allow(nowMs)) {
      this.#drop('bad-unknown');
      return;
    }
    for (const association of this.#associations.all()) {
      const session = association.current;
      if (session === null || !sameToken(session.remoteToken, unknown.token)) continue;
      session.lost = true;
      const unanswered = session.takeUnanswered(nowMs);
      if (unanswered !== null) this.#initiator.hold(nowMs, association, unanswered);
      else if (session.lastPath !== null) {
        this.#initiator.begin(nowMs, association, session.lastPath);
      }
      return;
    }
  }

  #sendBy(nowMs: number, session: Session, outgoing: Outgoing): void {
    this.#outbox.put(outgoing.path, session.seal(nowMs, outgoing));
    this.#counters['messages-sent']++;
  }

  #derive(id: NodeId): Association | null {
    const association = this.#associations.derive(id);
    if (association !== null) this.#associations.add(association);
    return association;
  }

  #allowUnproven(nowMs: number, path: Path): boolean {
    const allowed =
      this.#unprovenPerSource.allow(nowMs, path.remote.address) ||
      this.#unprovenShared.allow(nowMs);
    if (!allowed) this.#drop('unproven-over-rate');
    return allowed;
  }

  #giveUp(held: readonly Outgoing[]): void {
    this.#counters['messages-given-up'] += held.length;
  }

  #drop(reason: Counter): void {
    this.#counters[reason]++;
  }
}

function pathOf(endpoint: Endpoint | Path): Path {
  if ('remote' in endpoint) return endpoint;
  return { remote: endpoint, local: null, interfaceIndex: 0 };
}
