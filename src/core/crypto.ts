// The primitives of the protocol cores, injected by the shell (node/crypto.ts) and fixed in tests.

/** A Curve25519 private key, imported once so that each Diffie-Hellman is one call. Opaque to the cores. */
export interface PrivateKey {
  readonly publicKey: Uint8Array;
  /**
   * X25519 (RFC 7748). Null if the result is all zero (a low-order point): the caller must abort.
   * @param publicKey 32 bytes
   */
  diffieHellman(publicKey: Uint8Array): Uint8Array | null;
}

export interface Crypto {
  /** Clamps and imports 32 bytes. */
  importPrivateKey(bytes: Uint8Array): PrivateKey;
  /** BLAKE2s-256 of the concatenation of `parts` (RFC 7693). */
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC-BLAKE2s-256 of the concatenation of `parts` (whitepaper 5.4). */
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** Keyed BLAKE2s-128 of the concatenation of `parts`: mac1, mac2, cookie (whitepaper 5.4.4, 5.4.7). */
  mac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439), nonce = 4 zero bytes | counter u64 LE. Returns ciphertext | tag. */
  seal(key: Uint8Array, counter: number, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  /** Null if the tag does not verify. */
  open(key: Uint8Array, counter: number, sealed: Uint8Array, aad: Uint8Array): Uint8Array | null;
  /** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), 24-byte nonce. */
  xseal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  xopen(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | null;
  /** Constant-time comparison of equal-length strings; false if the lengths differ. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

/** An Ed25519 identity, imported once. Opaque to the cores. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The X25519 key of the same identity: its private scalar is the one of Ed25519 (RFC 8032 5.1.5, RFC 7748). */
  readonly agreementKey: PrivateKey;
  /** 32 clamped bytes, as WireGuard wants them. Secret, and not a copy. */
  readonly agreementSecret: Uint8Array;
  /** Ed25519 (RFC 8032): 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** What the mesh needs beyond WireGuard. */
export interface MeshCrypto extends Crypto {
  /** @param seed 32 bytes, as RFC 8032 calls the private key */
  importSigningKey(seed: Uint8Array): SigningKey;
  /** Strict: small-order points and non-canonical encodings do not verify. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** The Montgomery form (X25519) of an Ed25519 public key; null if it is not a valid point of the prime-order group. */
  agreementPublicKey(publicKey: Uint8Array): Uint8Array | null;
}
