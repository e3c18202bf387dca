// Our side of the handshakes that we begin: hello, cookie, hello again with the cookie, accept. The first message to a
// node begins one, and waits with those after it until the session is there.

import { sameEndpoint } from '../../core/network.js';
import type { Endpoint, Path } from '../../core/types.js';
import {
  type Accept,
  type Cookie,
  decodeToken,
  encodeHello,
  helloFields,
  macField,
  NONCE_LENGTH,
  type Token,
} from '../../wire/gossip.js';
import { publicKeyOf } from '../identity.js';
import type { NodeId } from '../types.js';
import type { Association } from './associations.js';
import type { ChannelEnvironment, Counters, Outbox } from './environment.js';
import { acceptCovers, cookieKey, helloKey } from './keys.js';
import {
  MAX_COOKIES,
  MAX_HANDSHAKES,
  MAX_HELD_MESSAGES,
  MAX_HELLOS,
  MAX_TRIED_PATHS,
  RETRY_MS,
} from './limits.js';
import { type Outgoing, Session } from './session.js';
import { type LocalTokens, sameToken } from './tokens.js';

const NOTHING = new Uint8Array(0);

interface Handshake {
  readonly association: Association;
  readonly token: Token;
  readonly nonce: Uint8Array;
  /** As it was last sent; a cookie is written into it. */
  readonly hello: Uint8Array;
  /** Where the peer may be. */
  readonly paths: Path[];
  /** Whence a cookie came: the hello goes only there. */
  cookiePath: Path | null;
  cookiesLeft: number;
  /** Hellos sent since the beginning or the last cookie, and how many at most. */
  hellos: number;
  maxHellos: number;
  nextMs: number;
  readonly held: Outgoing[];
}

/** A handshake of ours that has succeeded. */
export interface Opened {
  readonly association: Association;
  readonly session: Session;
  readonly held: readonly Outgoing[];
}

export class Initiator {
  readonly #environment: ChannelEnvironment;
  readonly #tokens: LocalTokens;
  readonly #outbox: Outbox;
  readonly #counters: Counters;
  readonly #byNode = new Map<NodeId, Handshake>();
  readonly #byToken = new Map<number, Handshake>();
  /** No handshake is due before it. */
  #nextMs = Infinity;

  constructor(
    environment: ChannelEnvironment,
    tokens: LocalTokens,
    outbox: Outbox,
    counters: Counters,
  ) {
    this.#environment = environment;
    this.#tokens = tokens;
    this.#outbox = outbox;
    this.#counters = counters;
  }

  /** Begins a handshake if none is in flight, and keeps `outgoing` for its end. */
  hold(
    nowMs: number,
    association: Association,
    outgoing: Outgoing,
    maxHellos: number = MAX_HELLOS,
  ): void {
    const handshake = this.begin(nowMs, association, outgoing.path, maxHellos);
    if (handshake === null || handshake.held.length >= MAX_HELD_MESSAGES) {
      this.#counters['messages-given-up']++;
      return;
    }
    handshake.held.push(outgoing);
  }

  /** Begins a handshake, or has the one in flight try `path` too. Null if there are too many. */
  begin(
    nowMs: number,
    association: Association,
    path: Path,
    maxHellos: number = MAX_HELLOS,
  ): Handshake | null {
    const inFlight = this.#byNode.get(association.id);
    if (inFlight !== undefined) {
      this.#tryToo(inFlight, path);
      return inFlight;
    }
    if (this.#byToken.size >= MAX_HANDSHAKES) {
      this.#counters['handshakes-over-limit']++;
      return null;
    }
    const handshake = this.#create(association, path, maxHellos);
    this.#byNode.set(association.id, handshake);
    this.#byToken.set(handshake.token.index, handshake);
    this.#sendHello(nowMs, handshake);
    return handshake;
  }

  isTrying(id: NodeId, remote: Endpoint): boolean {
    const paths = this.#byNode.get(id)?.paths ?? [];
    return paths.some((path) => sameEndpoint(path.remote, remote));
  }

  /** Ends the handshake with a node, if there is one: what it held is the caller's. */
  end(id: NodeId): readonly Outgoing[] {
    const handshake = this.#byNode.get(id);
    if (handshake === undefined) return [];
    this.#forget(handshake);
    this.#tokens.release(handshake.token);
    return handshake.held;
  }

  /** The cookie goes into the hello, which is sent at once. Only to where one was sent: nobody has us write elsewhere. */
  receiveCookie(nowMs: number, path: Path, cookie: Cookie, bytes: Uint8Array): void {
    const { crypto, meshKey } = this.#environment;
    const handshake = this.#find(cookie.token);
    const tried = handshake?.paths.find((other) => sameRemote(other, path));
    if (handshake === undefined || tried === undefined || handshake.cookiesLeft === 0) {
      this.#counters['unexpected-cookie']++;
      return;
    }
    const key = cookieKey(crypto, meshKey, handshake.association.id);
    const mac = crypto.mac(key, macField(bytes).covers, handshake.nonce);
    const authentic = crypto.equal(mac, cookie.mac);
    const field = helloFields(handshake.hello).cookie;
    if (!authentic || crypto.equal(field, cookie.cookie)) {
      this.#counters['unexpected-cookie']++;
      return;
    }
    field.set(cookie.cookie);
    handshake.cookiePath = tried;
    handshake.cookiesLeft--;
    handshake.hellos = 0;
    handshake.maxHellos = MAX_HELLOS;
    this.#sendHello(nowMs, handshake);
  }

  /** Null if it answers no hello of ours, or not from whom it should be. */
  receiveAccept(nowMs: number, accept: Accept, bytes: Uint8Array): Opened | null {
    const { crypto, identity } = this.#environment;
    const handshake = this.#find(accept.token);
    const opened = handshake && this.#openAccept(handshake, accept, bytes);
    if (handshake === undefined || !opened) {
      this.#counters['unexpected-accept']++;
      return null;
    }
    const { association, token, nonce, paths } = handshake;
    const remoteToken = decodeToken(opened);
    const keys = association.pair.sessionKeys({
      initiator: identity.id,
      helloNonce: nonce,
      helloToken: token,
      acceptNonce: accept.nonce,
      acceptToken: remoteToken,
    });
    this.#forget(handshake);
    const session = new Session(crypto, {
      peer: association.id,
      sendKey: keys.fromInitiator,
      receiveKey: keys.fromResponder,
      localToken: token,
      remoteToken,
      helloNonce: nonce,
      createdMs: nowMs,
      // It knows our token. Of several places it may have heard it at any, whence it pretends to write.
      provenRemote: paths.length === 1 ? (paths[0]?.remote ?? null) : null,
    });
    return { association, session, held: heldFor(handshake) };
  }

  /** @returns nodes whose handshakes were given up */
  tick(nowMs: number): readonly Association[] {
    if (nowMs < this.#nextMs) return [];
    const givenUp: Association[] = [];
    this.#nextMs = Infinity;
    for (const handshake of this.#byNode.values()) {
      if (handshake.nextMs > nowMs) {
        this.#nextMs = Math.min(this.#nextMs, handshake.nextMs);
      } else if (handshake.hellos < handshake.maxHellos) {
        this.#sendHello(nowMs, handshake);
      } else {
        this.#counters['handshakes-given-up']++;
        this.#counters['messages-given-up'] += handshake.held.length;
        givenUp.push(handshake.association);
        this.end(handshake.association.id);
      }
    }
    return givenUp;
  }

  nextTickMs(): number {
    return this.#nextMs;
  }

  #create(association: Association, path: Path, maxHellos: number): Handshake {
    const { crypto, random, identity, meshKey } = this.#environment;
    const token = this.#tokens.draw();
    const nonce = random.bytes(NONCE_LENGTH);
    const hello = encodeHello(token, nonce);
    const fields = helloFields(hello);
    const sender = publicKeyOf(identity.id);
    const key = helloKey(crypto, meshKey, association.id);
    fields.encryptedSender.set(crypto.xseal(key, nonce, sender, fields.senderCovers));
    const proofKey = association.pair.proofKey(identity.id);
    fields.proof.set(crypto.xseal(proofKey, nonce, NOTHING, fields.proofCovers));
    return {
      association,
      token,
      nonce,
      hello,
      paths: [path],
      cookiePath: null,
      cookiesLeft: MAX_COOKIES,
      hellos: 0,
      maxHellos,
      nextMs: Infinity,
      held: [],
    };
  }

  #tryToo(handshake: Handshake, path: Path): void {
    if (handshake.paths.length >= MAX_TRIED_PATHS) return;
    if (handshake.paths.some((other) => sameRemote(other, path))) return;
    handshake.paths.push(path);
    if (handshake.cookiePath === null) this.#put(path, handshake);
  }

  #sendHello(nowMs: number, handshake: Handshake): void {
    const paths = handshake.cookiePath === null ? handshake.paths : [handshake.cookiePath];
    for (const path of paths) this.#put(path, handshake);
    handshake.nextMs = nowMs + RETRY_MS * 2 ** handshake.hellos;
    handshake.hellos++;
    this.#nextMs = Math.min(this.#nextMs, handshake.nextMs);
  }

  /** A copy: the cookie field changes while datagrams wait to be taken. */
  #put(path: Path, handshake: Handshake): void {
    this.#counters['hellos-sent']++;
    this.#outbox.put(path, handshake.hello.slice());
  }

  #find(token: Token): Handshake | undefined {
    const handshake = this.#byToken.get(token.index);
    return handshake && sameToken(handshake.token, token) ? handshake : undefined;
  }

  #openAccept(handshake: Handshake, accept: Accept, bytes: Uint8Array): Uint8Array | null {
    const { crypto } = this.#environment;
    const { id, pair } = handshake.association;
    const additional = acceptCovers(bytes, handshake.nonce);
    return crypto.xopen(pair.acceptKey(id), accept.nonce, accept.encryptedToken, additional);
  }

  #forget(handshake: Handshake): void {
    this.#byNode.delete(handshake.association.id);
    this.#byToken.delete(handshake.token.index);
  }
}

/** Nothing goes where only a hello was tried: what was meant for there goes where the cookie came from, if nothing else does. */
function heldFor({ held, cookiePath }: Handshake): readonly Outgoing[] {
  if (cookiePath === null) return held;
  const meant = held.filter(({ path }) => sameRemote(path, cookiePath));
  return meant.length > 0 ? meant : held.map((each) => ({ ...each, path: cookiePath }));
}

function sameRemote(a: Path, b: Path): boolean {
  if (a.remote.port !== b.remote.port) return false;
  const [left, right] = [a.remote.address, b.remote.address];
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}
