// Every key of the gossip protocol, derived by HMAC-BLAKE2s-256 over a label of its own and fields of fixed length
// (docs/protocol.md, "Gossip keys").

import type { Crypto } from '../../core/crypto.js';
import { acceptField, encodeToken, type Token } from '../../wire/gossip.js';
import { publicKeyOf } from '../identity.js';
import type { NodeId } from '../types.js';

const FROM_INITIATOR = Uint8Array.of(1);
const FROM_RESPONDER = Uint8Array.of(2);

const LABEL = {
  hello: label('hello'),
  cookie: label('cookie'),
  unknown: label('unknown'),
  token: label('token'),
  pair: label('pair'),
  proof: label('proof'),
  accept: label('accept'),
  session: label('session'),
};

function label(name: string): Uint8Array {
  return new TextEncoder().encode(`weft/gossip/1/${name}\0`);
}

/** Seals the sender's id in a hello: whoever does not know the mesh key neither reads it nor gets an answer. */
export function helloKey(crypto: Crypto, meshKey: Uint8Array, receiver: NodeId): Uint8Array {
  return crypto.hmac(meshKey, LABEL.hello, publicKeyOf(receiver));
}

/** Authenticates cookies of `replier`. */
export function cookieKey(crypto: Crypto, meshKey: Uint8Array, replier: NodeId): Uint8Array {
  return crypto.hmac(meshKey, LABEL.cookie, publicKeyOf(replier));
}

/** Authenticates "unknown token". */
export function unknownKey(crypto: Crypto, meshKey: Uint8Array): Uint8Array {
  return crypto.hmac(meshKey, LABEL.unknown);
}

/** Marks the tokens of this identity, across its restarts. */
export function tokenKey(crypto: Crypto, agreementSecret: Uint8Array): Uint8Array {
  return crypto.hmac(agreementSecret, LABEL.token);
}

/** What the seal of an accept covers: its other fields, and the nonce of the hello that it answers. */
export function acceptCovers(accept: Uint8Array, helloNonce: Uint8Array): Uint8Array {
  const { covers } = acceptField(accept);
  const additional = new Uint8Array(covers.length + helloNonce.length);
  additional.set(covers);
  additional.set(helloNonce, covers.length);
  return additional;
}

/** What two members share that nobody else has. */
export class PairKey {
  readonly #crypto: Crypto;
  readonly #secret: Uint8Array;

  /** @param agreement X25519 of the two identities, 32 bytes */
  constructor(crypto: Crypto, meshKey: Uint8Array, agreement: Uint8Array, a: NodeId, b: NodeId) {
    this.#crypto = crypto;
    const [low, high] = a < b ? [a, b] : [b, a];
    this.#secret = crypto.hmac(meshKey, LABEL.pair, agreement, publicKeyOf(low), publicKeyOf(high));
  }

  /** Proves in a hello that the initiator is who it says. */
  proofKey(initiator: NodeId): Uint8Array {
    return this.#crypto.hmac(this.#secret, LABEL.proof, publicKeyOf(initiator));
  }

  acceptKey(responder: NodeId): Uint8Array {
    return this.#crypto.hmac(this.#secret, LABEL.accept, publicKeyOf(responder));
  }

  /** Both sides put a random nonce in: no two sessions have the same keys, whoever restarts or repeats what. */
  sessionKeys(opening: Opening): SessionKeys {
    const root = this.#crypto.hmac(
      this.#secret,
      LABEL.session,
      publicKeyOf(opening.initiator),
      opening.helloNonce,
      encodeToken(opening.helloToken),
      opening.acceptNonce,
      encodeToken(opening.acceptToken),
    );
    const keys = {
      fromInitiator: this.#crypto.hmac(root, FROM_INITIATOR),
      fromResponder: this.#crypto.hmac(root, FROM_RESPONDER),
    };
    root.fill(0);
    return keys;
  }

  wipe(): void {
    this.#secret.fill(0);
  }
}

/** What a session is made of, apart from who the two are. */
export interface Opening {
  readonly initiator: NodeId;
  readonly helloNonce: Uint8Array;
  readonly helloToken: Token;
  readonly acceptNonce: Uint8Array;
  readonly acceptToken: Token;
}

export interface SessionKeys {
  readonly fromInitiator: Uint8Array;
  readonly fromResponder: Uint8Array;
}
