// The way of a handshake message: in from the network through load, mac and cookie checks to the peer's handshake, and
// the answer out; and the way of our own initiations. device.ts says when.
//
//   receive -> decode -> cookie reply: keep the cookie
//                     -> mac1 -> under load: mac2 (else a cookie reply), rate of the source
//                             -> initiation: who? -> verify -> roam, install keys, send the response
//                             -> response: verify -> roam, install keys, send what is staged

import type { WallTime } from '../core/clock.js';
import type { Crypto, PrivateKey } from '../core/crypto.js';
import { type Random, randomUint32 } from '../core/random.js';
import type { Datagram, Path, PublicKey } from '../core/types.js';
import {
  COOKIE_REPLY_TYPE,
  type CookieReply,
  decodeHandshakeMessage,
  INITIATION_TYPE,
  type Initiation,
  type Response,
} from '../wire/wireguard.js';
import {
  REKEY_TIMEOUT_JITTER_MS,
  REKEY_TIMEOUT_MS,
  UNDER_LOAD_STICKY_MS,
  ZERO_KEYS_AFTER_MS,
} from './constants.js';
import { CookieChecker } from './cookie.js';
import type { EffectList } from './effects.js';
import { Handshake, openInitiation, type SessionKeys } from './handshake.js';
import { IndexTable } from './index-table.js';
import { encodePublicKey } from './keys.js';
import type { PeerRecord } from './peer.js';
import { encodeTai64n } from './tai64n.js';

export interface ExchangeEnvironment {
  readonly crypto: Crypto;
  readonly random: Random;
  wallTime(): WallTime;
}

/** Reasons for dropping a message, then messages accepted, sent, and given up. */
const COUNTERS = [
  'malformed',
  'interface-down',
  'no-private-key',
  'bad-mac1',
  'rate-limited',
  'unknown-peer',
  'bad-initiation',
  'replayed-initiation',
  'initiation-flood',
  'bad-response',
  'bad-cookie',
  'initiations-received',
  'responses-received',
  'cookies-received',
  'initiations-sent',
  'responses-sent',
  'cookies-sent',
  'handshakes-given-up',
] as const;
export type CounterName = (typeof COUNTERS)[number];

export class Exchange {
  readonly counters = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<
    CounterName,
    number
  >;
  readonly #env: ExchangeEnvironment;
  readonly #effects: EffectList;
  readonly #findPeer: (key: PublicKey) => PeerRecord | undefined;
  readonly #indices: IndexTable<PeerRecord>;
  #identity: { readonly key: PrivateKey; readonly checker: CookieChecker } | null = null;
  #underLoadUntilMs = -Infinity;

  constructor(
    env: ExchangeEnvironment,
    effects: EffectList,
    findPeer: (key: PublicKey) => PeerRecord | undefined,
  ) {
    this.#env = env;
    this.#effects = effects;
    this.#findPeer = findPeer;
    this.#indices = new IndexTable(env.random);
  }

  get publicKey(): Uint8Array | null {
    return this.#identity?.key.publicKey ?? null;
  }

  setIdentity(key: PrivateKey | null): void {
    this.#identity?.checker.wipe();
    const { crypto, random } = this.#env;
    const announce = (secret: Uint8Array) =>
      this.#effects.push({ type: 'set-cookie-secret', secret });
    this.#identity = key && {
      key,
      checker: new CookieChecker(crypto, random, key.publicKey, announce),
    };
  }

  noteLoad(nowMs: number): void {
    this.#underLoadUntilMs = nowMs + UNDER_LOAD_STICKY_MS;
  }

  /** The handshake state of a new peer, which takes its indices from our table. */
  newHandshake(owner: () => PeerRecord, publicKey: Uint8Array): Handshake {
    const indices = {
      reserve: () => this.#indices.reserve(owner()),
      release: (index: number) => this.#indices.release(index),
    };
    return new Handshake(this.#env.crypto, this.#env.random, indices, publicKey);
  }

  releaseIndex(index: number): void {
    this.#indices.release(index);
  }

  releaseIndices(peer: PeerRecord): void {
    this.#indices.releaseAll(peer);
  }

  /** REKEY_TIMEOUT's random part: two peers must not retransmit in step. */
  jitterMs(): number {
    return (randomUint32(this.#env.random) / 2 ** 32) * REKEY_TIMEOUT_JITTER_MS;
  }

  /** Sends an initiation unless one, or a response, went out within REKEY_TIMEOUT. */
  initiate(nowMs: number, peer: PeerRecord): void {
    if (this.#identity === null || peer.endpoint === null) return;
    if (nowMs < peer.handshakeSentMs + REKEY_TIMEOUT_MS) return;
    peer.handshakeSentMs = nowMs;
    const timestamp = encodeTai64n(this.#env.wallTime());
    const bytes = peer.handshake.initiate(this.#identity.key, timestamp);
    if (bytes === null) return;
    peer.cookies.sign(nowMs, bytes);
    this.#effects.push({ type: 'send-handshake', peer: peer.id, bytes });
    this.counters['initiations-sent']++;
    peer.timers.retransmitAtMs = nowMs + REKEY_TIMEOUT_MS + this.jitterMs();
  }

  /** @returns the peer whose session or timers changed, if any did */
  receive(nowMs: number, { path, bytes }: Datagram): PeerRecord | null {
    const message = decodeHandshakeMessage(bytes);
    if (message === null) return this.#drop('malformed');
    if (this.#identity === null) return this.#drop('no-private-key');
    if (message.type === COOKIE_REPLY_TYPE) return this.#receiveCookie(nowMs, message);

    const { key, checker } = this.#identity;
    const underLoad = nowMs < this.#underLoadUntilMs;
    const verdict = checker.verify(nowMs, bytes, path.remote, underLoad);
    if (verdict === 'needs-cookie') {
      const reply = checker.reply(nowMs, bytes, message.senderIndex, path.remote);
      this.#effects.push({ type: 'send-datagram', path, bytes: reply });
      this.counters['cookies-sent']++;
      return null;
    }
    if (verdict !== 'valid') return this.#drop(verdict);
    return message.type === INITIATION_TYPE
      ? this.#receiveInitiation(nowMs, key, message, path, bytes.length)
      : this.#receiveResponse(nowMs, key, message, path, bytes.length);
  }

  /** A session of which both sides have proof: the last retransmit was answered. */
  completed(peer: PeerRecord): void {
    peer.timers.retransmitAtMs = Infinity;
    peer.handshakeAttempts = 0;
    peer.lastHandshake = this.#env.wallTime();
  }

  #receiveInitiation(
    nowMs: number,
    local: PrivateKey,
    message: Initiation,
    path: Path,
    length: number,
  ): PeerRecord | null {
    const opened = openInitiation(this.#env.crypto, local, message);
    if (opened === null) return this.#drop('bad-initiation');
    const peer = this.#findPeer(encodePublicKey(opened.initiatorStatic));
    if (peer === undefined) {
      opened.state.wipe();
      return this.#drop('unknown-peer');
    }
    const outcome = peer.handshake.respond(nowMs, local, opened);
    if (typeof outcome === 'string') return this.#drop(outcome);
    this.counters['initiations-received']++;
    this.#authenticated(peer, path, length);
    this.#beginSession(nowMs, peer, outcome.keys, false);
    peer.handshakeSentMs = nowMs;
    peer.cookies.sign(nowMs, outcome.bytes);
    this.#effects.push({ type: 'send-handshake', peer: peer.id, bytes: outcome.bytes });
    this.counters['responses-sent']++;
    return peer;
  }

  #receiveResponse(
    nowMs: number,
    local: PrivateKey,
    message: Response,
    path: Path,
    length: number,
  ): PeerRecord | null {
    const peer = this.#indices.owner(message.receiverIndex);
    const keys = peer?.handshake.finish(local, message);
    if (peer === undefined || !keys) return this.#drop('bad-response');
    this.counters['responses-received']++;
    this.#authenticated(peer, path, length);
    this.#beginSession(nowMs, peer, keys, true);
    this.completed(peer);
    // The first packet tells the responder that it may use the new keys, even if there is no data to send.
    this.#effects.push({ type: 'send-keepalive', peer: peer.id });
    return peer;
  }

  #receiveCookie(nowMs: number, message: CookieReply): null {
    const peer = this.#indices.owner(message.receiverIndex);
    if (!peer?.cookies.accept(nowMs, message)) return this.#drop('bad-cookie');
    this.counters['cookies-received']++;
    return null;
  }

  #authenticated(peer: PeerRecord, path: Path, length: number): void {
    peer.roam(path.remote);
    this.#effects.push({ type: 'handshake-received', peer: peer.id, path, length });
  }

  #beginSession(nowMs: number, peer: PeerRecord, keys: SessionKeys, initiator: boolean): void {
    const keypair = { ...keys, initiator, createdMs: nowMs };
    this.#effects.push({ type: 'install-keypair', peer: peer.id, keypair });
    peer.timers.zeroKeysAtMs = nowMs + ZERO_KEYS_AFTER_MS;
  }

  #drop(reason: CounterName): null {
    this.counters[reason]++;
    return null;
  }
}
