// One session between two nodes: a key and a counter for each direction. Data is sealed by XChaCha20-Poly1305 with the
// datagram's header as additional data and, padded by zeros, as nonce: the header has the counter, and the keys are the
// session's own.

import type { Crypto } from '../../core/crypto.js';
import type { Endpoint, Path } from '../../core/types.js';
import {
  DATA_HEADER_LENGTH,
  type Data,
  encodeDataHeader,
  NONCE_LENGTH,
  type Token,
} from '../../wire/gossip.js';
import type { NodeId } from '../types.js';
import {
  MAX_COUNTER,
  REKEY_AFTER_MESSAGES,
  REKEY_AFTER_MS,
  RESEND_WITHIN_MS,
  SESSION_LIFETIME_MS,
} from './limits.js';
import { ReplayWindow } from './replay-window.js';

/** A message and where it goes. */
export interface Outgoing {
  readonly path: Path;
  readonly plaintext: Uint8Array;
}

export interface SessionParts {
  readonly peer: NodeId;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** The peer writes it; chosen by us. */
  readonly localToken: Token;
  /** We write it; chosen by the peer. */
  readonly remoteToken: Token;
  /** Of the hello that opened it. */
  readonly helloNonce: Uint8Array;
  readonly createdMs: number;
  /** Where the peer has received a datagram of the handshake; null if that may have been one of several places. */
  readonly provenRemote: Endpoint | null;
}

export class Session {
  readonly peer: NodeId;
  readonly localToken: Token;
  readonly remoteToken: Token;
  readonly helloNonce: Uint8Array;
  readonly createdMs: number;
  readonly provenRemote: Endpoint | null;
  /** Where it was last sent to. */
  lastPath: Path | null = null;
  /** The peer says that it does not know this session. */
  lost = false;
  readonly #crypto: Crypto;
  readonly #sendKey: Uint8Array;
  readonly #receiveKey: Uint8Array;
  readonly #window = new ReplayWindow();
  readonly #nonce = new Uint8Array(NONCE_LENGTH);
  #nextCounter = 0;
  /** The last message, as long as nothing came after it. */
  #unanswered: Outgoing | null = null;
  #unansweredSinceMs = 0;

  constructor(crypto: Crypto, parts: SessionParts) {
    this.#crypto = crypto;
    this.#sendKey = parts.sendKey;
    this.#receiveKey = parts.receiveKey;
    this.peer = parts.peer;
    this.localToken = parts.localToken;
    this.remoteToken = parts.remoteToken;
    this.helloNonce = parts.helloNonce;
    this.createdMs = parts.createdMs;
    this.provenRemote = parts.provenRemote;
  }

  /** True if a new session should be made, while this one may still be used. */
  isOld(nowMs: number): boolean {
    return nowMs - this.createdMs >= REKEY_AFTER_MS || this.#nextCounter >= REKEY_AFTER_MESSAGES;
  }

  /** True if nothing may be sent or received by it any more. */
  isOver(nowMs: number): boolean {
    return nowMs - this.createdMs >= SESSION_LIFETIME_MS || this.#nextCounter > MAX_COUNTER;
  }

  isFresh(counter: number): boolean {
    return this.#window.isFresh(counter);
  }

  /** The datagram for a message; an empty one confirms the session. */
  seal(nowMs: number, outgoing: Outgoing): Uint8Array {
    const header = encodeDataHeader(this.remoteToken, this.#nextCounter++);
    this.#nonce.set(header);
    const sealed = this.#crypto.xseal(this.#sendKey, this.#nonce, outgoing.plaintext, header);
    const bytes = new Uint8Array(DATA_HEADER_LENGTH + sealed.length);
    bytes.set(header);
    bytes.set(sealed, DATA_HEADER_LENGTH);
    this.lastPath = outgoing.path;
    this.#unanswered = outgoing.plaintext.length > 0 ? outgoing : null;
    this.#unansweredSinceMs = nowMs;
    return bytes;
  }

  /** Null if it does not authenticate. The caller has asked isFresh(). */
  open(data: Data): Uint8Array | null {
    this.#nonce.set(data.header);
    const plaintext = this.#crypto.xopen(this.#receiveKey, this.#nonce, data.sealed, data.header);
    if (plaintext === null) return null;
    this.#window.accept(data.counter);
    this.#unanswered = null;
    this.lost = false;
    return plaintext;
  }

  /** What the peer cannot have read if it has lost the session. */
  takeUnanswered(nowMs: number): Outgoing | null {
    const recent = nowMs - this.#unansweredSinceMs < RESEND_WITHIN_MS;
    const unanswered = recent ? this.#unanswered : null;
    this.#unanswered = null;
    return unanswered;
  }

  wipe(): void {
    this.#sendKey.fill(0);
    this.#receiveKey.fill(0);
    this.#unanswered = null;
  }
}
