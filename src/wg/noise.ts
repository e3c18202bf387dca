// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (Noise revision 34; whitepaper 5.4): the two messages' patterns in order.
//
//   <- s
//   ...
//   -> e, es, s, ss   payload
//   <- e, ee, se, psk payload
//
// handshake.ts puts it in WireGuard messages; prologue, payloads and ephemerals are arguments so that the published
// Noise vectors run through the same code.

import type { Crypto, PrivateKey } from '../core/crypto.js';

const CONSTRUCTION = new TextEncoder().encode('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
const EMPTY = new Uint8Array(0);
const ONE = new Uint8Array([1]);
const TWO = new Uint8Array([2]);
const THREE = new Uint8Array([3]);

// Every message encrypts once under each key, so the nonce is always zero.
const NONCE = 0;

/** HKDF with HMAC-BLAKE2s, three outputs of 32 bytes (whitepaper 5.4, Kdf3; a prefix of them is Kdf1 and Kdf2). */
export function kdf3(
  crypto: Crypto,
  key: Uint8Array,
  input: Uint8Array,
): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = crypto.hmac(key, input);
  const first = crypto.hmac(secret, ONE);
  const second = crypto.hmac(secret, first, TWO);
  const third = crypto.hmac(secret, second, THREE);
  secret.fill(0);
  return [first, second, third];
}

function kdf2(crypto: Crypto, key: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const secret = crypto.hmac(key, input);
  const first = crypto.hmac(secret, ONE);
  const second = crypto.hmac(secret, first, TWO);
  secret.fill(0);
  return [first, second];
}

function kdf1(crypto: Crypto, key: Uint8Array, input: Uint8Array): Uint8Array {
  const secret = crypto.hmac(key, input);
  const first = crypto.hmac(secret, ONE);
  secret.fill(0);
  return first;
}

/** Chaining key, transcript hash and the key of the moment. Owns its arrays: wipe() when done or failed. */
export class SymmetricState {
  readonly #crypto: Crypto;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #key: Uint8Array = EMPTY;

  private constructor(crypto: Crypto, chainingKey: Uint8Array, hash: Uint8Array) {
    this.#crypto = crypto;
    this.#chainingKey = chainingKey;
    this.#hash = hash;
  }

  /** Both sides start from the prologue and the responder's static key, known beforehand. */
  static start(crypto: Crypto, prologue: Uint8Array, responderStatic: Uint8Array): SymmetricState {
    const chainingKey = crypto.hash(CONSTRUCTION);
    const state = new SymmetricState(crypto, chainingKey, crypto.hash(chainingKey, prologue));
    state.#mixHash(responderStatic);
    return state;
  }

  clone(): SymmetricState {
    return new SymmetricState(
      this.#crypto,
      new Uint8Array(this.#chainingKey),
      new Uint8Array(this.#hash),
    );
  }

  /** Transcript hash: what channel binding would use. */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** An ephemeral goes into the hash and, there being a psk, into the chaining key. */
  mixEphemeral(publicKey: Uint8Array): void {
    this.#mixHash(publicKey);
    this.#setChainingKey(kdf1(this.#crypto, this.#chainingKey, publicKey));
  }

  /** False, and nothing is mixed, if the shared secret is null: the other's point was of low order. */
  mixSecret(secret: Uint8Array | null): boolean {
    if (secret === null) return false;
    const [chainingKey, key] = kdf2(this.#crypto, this.#chainingKey, secret);
    this.#setChainingKey(chainingKey);
    this.#setKey(key);
    return true;
  }

  /** As mixSecret, of a secret computed for this alone: it is wiped. */
  mixOwnedSecret(secret: Uint8Array | null): boolean {
    const mixed = this.mixSecret(secret);
    secret?.fill(0);
    return mixed;
  }

  mixPresharedKey(presharedKey: Uint8Array): void {
    const [chainingKey, hashInput, key] = kdf3(this.#crypto, this.#chainingKey, presharedKey);
    this.#setChainingKey(chainingKey);
    this.#mixHash(hashInput);
    this.#setKey(key);
  }

  encrypt(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#crypto.seal(this.#key, NONCE, plaintext, this.#hash);
    this.#mixHash(sealed);
    return sealed;
  }

  decrypt(sealed: Uint8Array): Uint8Array | null {
    const plaintext = this.#crypto.open(this.#key, NONCE, sealed, this.#hash);
    if (plaintext !== null) this.#mixHash(sealed);
    return plaintext;
  }

  /** Transport keys: the initiator sends with the first, the responder with the second. */
  split(): [Uint8Array, Uint8Array] {
    return kdf2(this.#crypto, this.#chainingKey, EMPTY);
  }

  wipe(): void {
    this.#chainingKey.fill(0);
    this.#hash.fill(0);
    this.#key.fill(0);
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.hash(this.#hash, data);
  }

  #setChainingKey(chainingKey: Uint8Array): void {
    this.#chainingKey.fill(0);
    this.#chainingKey = chainingKey;
  }

  #setKey(key: Uint8Array): void {
    this.#key.fill(0);
    this.#key = key;
  }
}

/** `-> e, es, s, ss, payload`, written. Null if a Diffie-Hellman gave zero. */
export function writeInitiation(
  state: SymmetricState,
  keys: {
    readonly ephemeral: PrivateKey;
    readonly localStatic: PrivateKey;
    readonly remoteStatic: Uint8Array;
    readonly staticStatic: Uint8Array | null;
  },
  payload: Uint8Array,
): { encryptedStatic: Uint8Array; encryptedPayload: Uint8Array } | null {
  state.mixEphemeral(keys.ephemeral.publicKey);
  if (!state.mixOwnedSecret(keys.ephemeral.diffieHellman(keys.remoteStatic))) return null;
  const encryptedStatic = state.encrypt(keys.localStatic.publicKey);
  if (!state.mixSecret(keys.staticStatic)) return null;
  return { encryptedStatic, encryptedPayload: state.encrypt(payload) };
}

/** `-> e, es, s`, read: who it is. Null if it does not verify. */
export function readInitiatorStatic(
  state: SymmetricState,
  localStatic: PrivateKey,
  ephemeral: Uint8Array,
  encryptedStatic: Uint8Array,
): Uint8Array | null {
  state.mixEphemeral(ephemeral);
  if (!state.mixOwnedSecret(localStatic.diffieHellman(ephemeral))) return null;
  return state.decrypt(encryptedStatic);
}

/** `ss, payload`, read. Null if it does not verify. */
export function readInitiationPayload(
  state: SymmetricState,
  staticStatic: Uint8Array | null,
  encryptedPayload: Uint8Array,
): Uint8Array | null {
  return state.mixSecret(staticStatic) ? state.decrypt(encryptedPayload) : null;
}

/** `<- e, ee, se, psk, payload`, written. Null if a Diffie-Hellman gave zero. */
export function writeResponse(
  state: SymmetricState,
  keys: {
    readonly ephemeral: PrivateKey;
    readonly remoteEphemeral: Uint8Array;
    readonly remoteStatic: Uint8Array;
    readonly presharedKey: Uint8Array;
  },
  payload: Uint8Array,
): Uint8Array | null {
  state.mixEphemeral(keys.ephemeral.publicKey);
  if (!state.mixOwnedSecret(keys.ephemeral.diffieHellman(keys.remoteEphemeral))) return null;
  if (!state.mixOwnedSecret(keys.ephemeral.diffieHellman(keys.remoteStatic))) return null;
  state.mixPresharedKey(keys.presharedKey);
  return state.encrypt(payload);
}

/** `<- e, ee, se, psk, payload`, read. Null if it does not verify. */
export function readResponse(
  state: SymmetricState,
  keys: {
    readonly localEphemeral: PrivateKey;
    readonly localStatic: PrivateKey;
    readonly presharedKey: Uint8Array;
  },
  ephemeral: Uint8Array,
  encryptedPayload: Uint8Array,
): Uint8Array | null {
  state.mixEphemeral(ephemeral);
  if (!state.mixOwnedSecret(keys.localEphemeral.diffieHellman(ephemeral))) return null;
  if (!state.mixOwnedSecret(keys.localStatic.diffieHellman(ephemeral))) return null;
  state.mixPresharedKey(keys.presharedKey);
  return state.decrypt(encryptedPayload);
}
