// Our side of the handshakes that others begin. The order is the defence: a share of our time, knowledge of the mesh
// key, the address, the Diffie-Hellman (done once a node; for strangers a few a second), the proof. Only then is
// anything kept, and what is kept does nothing before its first data.

import type { Path } from '../../core/types.js';
import {
  acceptField,
  encodeAccept,
  encodeCookie,
  encodeToken,
  type Hello,
  helloFields,
  macField,
  NONCE_LENGTH,
} from '../../wire/gossip.js';
import { nodeIdOf } from '../identity.js';
import { RateLimit, SourceRateLimit } from '../rate.js';
import type { NodeId } from '../types.js';
import type { Association, Associations } from './associations.js';
import { CookieMaker } from './cookie.js';
import type { ChannelEnvironment, Counters, Outbox } from './environment.js';
import { acceptCovers, cookieKey, helloKey } from './keys.js';
import { STRANGER_HELLOS, STRANGER_HELLOS_PER_SOURCE } from './limits.js';
import { Session } from './session.js';
import type { LocalTokens } from './tokens.js';

export class Responder {
  readonly #environment: ChannelEnvironment;
  readonly #tokens: LocalTokens;
  readonly #associations: Associations;
  readonly #outbox: Outbox;
  readonly #counters: Counters;
  readonly #cookies: CookieMaker;
  readonly #helloKey: Uint8Array;
  readonly #cookieKey: Uint8Array;
  readonly #strangers = new RateLimit(STRANGER_HELLOS);
  readonly #strangersPerSource: SourceRateLimit;

  constructor(
    environment: ChannelEnvironment,
    tokens: LocalTokens,
    associations: Associations,
    outbox: Outbox,
    counters: Counters,
  ) {
    const { crypto, random, meshKey, identity } = environment;
    this.#environment = environment;
    this.#tokens = tokens;
    this.#associations = associations;
    this.#outbox = outbox;
    this.#counters = counters;
    this.#cookies = new CookieMaker(crypto, random);
    this.#helloKey = helloKey(crypto, meshKey, identity.id);
    this.#cookieKey = cookieKey(crypto, meshKey, identity.id);
    this.#strangersPerSource = new SourceRateLimit(STRANGER_HELLOS_PER_SOURCE, random);
  }

  /** @param bytes of the hello, within the rate of unproven datagrams */
  receive(nowMs: number, path: Path, hello: Hello, bytes: Uint8Array): void {
    const { crypto } = this.#environment;
    const covered = helloFields(bytes).senderCovers;
    const sender = crypto.xopen(this.#helloKey, hello.nonce, hello.encryptedSender, covered);
    if (sender === null) {
      this.#counters['bad-hello']++;
      return;
    }
    const cookie = this.#cookies.make(nowMs, path.remote, hello.token);
    if (!crypto.equal(cookie, hello.cookie)) {
      this.#sendCookie(path, hello, cookie);
      return;
    }
    const association = this.#identify(nowMs, path, nodeIdOf(sender));
    if (association === null) return;
    if (this.#isProven(association, hello, bytes)) this.#accept(nowMs, path, association, hello);
    else this.#counters['bad-proof']++;
  }

  #sendCookie(path: Path, hello: Hello, cookie: Uint8Array): void {
    const bytes = encodeCookie(hello.token, cookie);
    const { covers, field } = macField(bytes);
    field.set(this.#environment.crypto.mac(this.#cookieKey, covers, hello.nonce));
    this.#outbox.put(path, bytes);
    this.#counters['cookies-sent']++;
  }

  /** Null, and counted, if `id` is no identity or too many strangers come. */
  #identify(nowMs: number, path: Path, id: NodeId): Association | null {
    const isMember = this.#environment.isMember(id);
    if (!isMember) {
      const allowed =
        this.#strangersPerSource.allow(nowMs, path.remote.address) && this.#strangers.allow(nowMs);
      if (!allowed) {
        this.#counters['stranger-hellos-over-rate']++;
        return null;
      }
    }
    const known = this.#associations.get(id);
    if (known !== undefined) return known;
    const association = this.#associations.derive(id);
    if (association === null) this.#counters['bad-identity']++;
    // a member's is kept before it has proven anything: whoever takes its name costs one Diffie-Hellman, not many
    else if (isMember) this.#associations.add(association);
    return association;
  }

  #isProven(association: Association, hello: Hello, bytes: Uint8Array): boolean {
    const key = association.pair.proofKey(association.id);
    const { proofCovers } = helloFields(bytes);
    return this.#environment.crypto.xopen(key, hello.nonce, hello.proof, proofCovers) !== null;
  }

  #accept(nowMs: number, path: Path, association: Association, hello: Hello): void {
    if (this.#associations.get(association.id) === undefined) this.#associations.add(association);
    const { current, previous, pending } = association;
    if (this.#opened(current, hello) || this.#opened(previous, hello)) {
      this.#counters['repeated-hello']++;
      return;
    }
    if (!this.#opened(pending, hello)) {
      const { session, accept } = this.#createSession(nowMs, path, association, hello);
      this.#associations.setPending(association, session, accept);
    }
    // the same accept again if it was lost
    if (association.pendingAccept !== null) this.#outbox.put(path, association.pendingAccept);
    this.#counters['accepts-sent']++;
  }

  /** True if `session` came of this very hello. */
  #opened(session: Session | null, hello: Hello): boolean {
    return session !== null && this.#environment.crypto.equal(session.helloNonce, hello.nonce);
  }

  #createSession(
    nowMs: number,
    path: Path,
    { id, pair }: Association,
    hello: Hello,
  ): { session: Session; accept: Uint8Array } {
    const { crypto, random, identity } = this.#environment;
    const localToken = this.#tokens.draw();
    const nonce = random.bytes(NONCE_LENGTH);
    const helloNonce = hello.nonce.slice();
    const accept = encodeAccept(hello.token, nonce);
    const key = pair.acceptKey(identity.id);
    const covered = acceptCovers(accept, helloNonce);
    acceptField(accept).field.set(crypto.xseal(key, nonce, encodeToken(localToken), covered));
    const keys = pair.sessionKeys({
      initiator: id,
      helloNonce,
      helloToken: hello.token,
      acceptNonce: nonce,
      acceptToken: localToken,
    });
    const session = new Session(crypto, {
      peer: id,
      sendKey: keys.fromResponder,
      receiveKey: keys.fromInitiator,
      localToken,
      remoteToken: hello.token,
      helloNonce,
      createdMs: nowMs,
      provenRemote: path.remote, // by its cookie
    });
    return { session, accept };
  }
}
