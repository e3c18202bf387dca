// The handshake with one peer (whitepaper 5.4.2, 5.4.3): Noise in WireGuard's messages, and the state between them.
//
//   initiator  initiate() ............................ finish() -> keys
//   responder  openInitiation() (who?) -> respond() -> keys
//
// Nothing of this state changes before a message has verified to its last tag: a forged one leaves no trace.

import type { Crypto, PrivateKey } from '../core/crypto.js';
import type { Random } from '../core/random.js';
import {
  encodeInitiation,
  encodeResponse,
  type Initiation,
  type Response,
} from '../wire/wireguard.js';
import { INITIATIONS_PER_SECOND } from './constants.js';
import {
  readInitiationPayload,
  readInitiatorStatic,
  readResponse,
  SymmetricState,
  writeInitiation,
  writeResponse,
} from './noise.js';
import { isLater, TAI64N_LENGTH } from './tai64n.js';

const IDENTIFIER = new TextEncoder().encode('WireGuard v1 zx2c4 Jason@zx2c4.com');
const EMPTY = new Uint8Array(0);
const KEY_LENGTH = 32;
const MIN_INITIATION_INTERVAL_MS = 1_000 / INITIATIONS_PER_SECOND;

/** Where a handshake takes its local indices from. */
export interface Indices {
  reserve(): number;
  release(index: number): void;
}

/** Outcome of a finished handshake. The caller owns the arrays, and the local index from now on. */
export interface SessionKeys {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
}

/** An initiation decrypted as far as its sender's static key, which names the peer. */
export interface OpenedInitiation {
  readonly message: Initiation;
  readonly initiatorStatic: Uint8Array;
  readonly state: SymmetricState;
}

export type ResponseOutcome =
  | { readonly bytes: Uint8Array; readonly keys: SessionKeys }
  | 'bad-initiation'
  | 'replayed-initiation'
  | 'initiation-flood';

/** Null if it does not decrypt. */
export function openInitiation(
  crypto: Crypto,
  local: PrivateKey,
  message: Initiation,
): OpenedInitiation | null {
  const state = SymmetricState.start(crypto, IDENTIFIER, local.publicKey);
  const { ephemeral, encryptedStatic } = message;
  const initiatorStatic = readInitiatorStatic(state, local, ephemeral, encryptedStatic);
  if (initiatorStatic === null) {
    state.wipe();
    return null;
  }
  return { message, initiatorStatic, state };
}

/** Our initiation, waiting for its response. */
interface Pending {
  readonly localIndex: number;
  readonly ephemeral: PrivateKey;
  readonly state: SymmetricState;
}

export class Handshake {
  readonly #crypto: Crypto;
  readonly #random: Random;
  readonly #indices: Indices;
  readonly #remoteStatic: Uint8Array;
  #presharedKey = new Uint8Array(KEY_LENGTH);
  /** undefined: not computed yet; null: the peer's key is of low order, so no handshake can succeed. */
  #staticStatic: Uint8Array | null | undefined;
  #pending: Pending | null = null;
  /** Outlives clear(): an old initiation stays a replay whatever became of the keys. */
  #latestTimestamp = new Uint8Array(TAI64N_LENGTH);
  #lastInitiationMs = -Infinity;

  constructor(crypto: Crypto, random: Random, indices: Indices, remoteStatic: Uint8Array) {
    this.#crypto = crypto;
    this.#random = random;
    this.#indices = indices;
    this.#remoteStatic = remoteStatic;
  }

  get presharedKey(): Uint8Array {
    return this.#presharedKey;
  }

  /** 32 bytes, copied; all zero = none. Holds from the next message on. */
  set presharedKey(key: Uint8Array) {
    this.#presharedKey.set(key);
  }

  /** A new initiation without its macs, replacing an earlier one. Null if the peer's key is of low order. */
  initiate(local: PrivateKey, timestamp: Uint8Array): Uint8Array | null {
    const ephemeral = this.#newEphemeral();
    const state = SymmetricState.start(this.#crypto, IDENTIFIER, this.#remoteStatic);
    const staticStatic = this.#sharedStatic(local);
    const keys = { ephemeral, localStatic: local, remoteStatic: this.#remoteStatic, staticStatic };
    const written = writeInitiation(state, keys, timestamp);
    if (written === null) {
      state.wipe();
      return null;
    }
    this.clear();
    const localIndex = this.#indices.reserve();
    this.#pending = { localIndex, ephemeral, state };
    return encodeInitiation({
      senderIndex: localIndex,
      ephemeral: ephemeral.publicKey,
      encryptedStatic: written.encryptedStatic,
      encryptedTimestamp: written.encryptedPayload,
    });
  }

  /**
   * Verifies an initiation of this peer and answers it, without the macs. An initiation of our own stays open: when two
   * peers call each other at the same instant and both gave theirs up, as the kernel module does, both would wait 5 s.
   */
  respond(nowMs: number, local: PrivateKey, opened: OpenedInitiation): ResponseOutcome {
    const { message, state } = opened;
    try {
      const staticStatic = this.#sharedStatic(local);
      const timestamp = readInitiationPayload(state, staticStatic, message.encryptedTimestamp);
      if (timestamp === null || timestamp.length !== TAI64N_LENGTH) return 'bad-initiation';
      if (!isLater(timestamp, this.#latestTimestamp)) return 'replayed-initiation';
      if (nowMs < this.#lastInitiationMs + MIN_INITIATION_INTERVAL_MS) return 'initiation-flood';
      this.#latestTimestamp = new Uint8Array(timestamp);
      this.#lastInitiationMs = nowMs;
      return this.#answer(message, state);
    } finally {
      state.wipe();
    }
  }

  #answer(message: Initiation, state: SymmetricState): ResponseOutcome {
    const ephemeral = this.#newEphemeral();
    const keys = {
      ephemeral,
      remoteEphemeral: message.ephemeral,
      remoteStatic: this.#remoteStatic,
      presharedKey: this.#presharedKey,
    };
    const encryptedNothing = writeResponse(state, keys, EMPTY);
    if (encryptedNothing === null) return 'bad-initiation';
    const localIndex = this.#indices.reserve();
    const remoteIndex = message.senderIndex;
    const [receiveKey, sendKey] = state.split();
    return {
      bytes: encodeResponse({
        senderIndex: localIndex,
        receiverIndex: remoteIndex,
        ephemeral: ephemeral.publicKey,
        encryptedNothing,
      }),
      keys: { localIndex, remoteIndex, sendKey, receiveKey },
    };
  }

  /** Takes the response to the pending initiation. Null if there is none, or it does not verify. */
  finish(local: PrivateKey, message: Response): SessionKeys | null {
    const pending = this.#pending;
    if (pending === null || pending.localIndex !== message.receiverIndex) return null;
    const state = pending.state.clone();
    const keys = {
      localEphemeral: pending.ephemeral,
      localStatic: local,
      presharedKey: this.#presharedKey,
    };
    const payload = readResponse(state, keys, message.ephemeral, message.encryptedNothing);
    if (payload === null || payload.length !== 0) {
      state.wipe();
      return null;
    }
    const [sendKey, receiveKey] = state.split();
    state.wipe();
    pending.state.wipe();
    this.#pending = null;
    const { localIndex } = pending;
    return { localIndex, remoteIndex: message.senderIndex, sendKey, receiveKey };
  }

  /** Forgets a pending initiation: no response to it is accepted any more. */
  clear(): void {
    if (this.#pending === null) return;
    this.#indices.release(this.#pending.localIndex);
    this.#pending.state.wipe();
    this.#pending = null;
  }

  /** Our private key is another one, or none. */
  localKeyChanged(): void {
    this.clear();
    this.#staticStatic?.fill(0);
    this.#staticStatic = undefined;
  }

  /** The peer is gone. */
  wipe(): void {
    this.localKeyChanged();
    this.#presharedKey.fill(0);
  }

  #sharedStatic(local: PrivateKey): Uint8Array | null {
    if (this.#staticStatic === undefined) {
      this.#staticStatic = local.diffieHellman(this.#remoteStatic);
    }
    return this.#staticStatic;
  }

  #newEphemeral(): PrivateKey {
    const bytes = this.#random.bytes(KEY_LENGTH);
    const key = this.#crypto.importPrivateKey(bytes);
    bytes.fill(0);
    return key;
  }
}
