// Identities, records and certificates for the tests of the mesh core, on the real primitives and a fixed wall clock.

import type { MeshCrypto } from '../../src/core/crypto.js';
import {
  type Certificate,
  decodeCertificate,
  SERIAL_BYTES,
  signCertificate,
} from '../../src/mesh/certificate.js';
import { createIdentity, type Identity } from '../../src/mesh/identity.js';
import { type Addressing, TrustStore } from '../../src/mesh/trust.js';
import type { TrustedKey } from '../../src/mesh/trusted-key.js';
import type { MemberRecord } from '../../src/mesh/types.js';
import { createMeshCrypto } from '../../src/node/mesh-crypto.js';
import { prefix } from './wg.js';

export const meshCrypto: MeshCrypto = await createMeshCrypto();

/** Seconds since 1970. */
export const NOW = 1_750_000_000;
export const DAY = 86_400;

export const addressing: Addressing = {
  meshId: new Uint8Array(16).fill(0x6d),
  v4Prefix: prefix('10.86.0.0/16'),
};

/** The identity whose seed is 32 times `n`. */
export function identity(n: number): Identity {
  return createIdentity(meshCrypto, new Uint8Array(32).fill(n));
}

export function record(owner: Identity, changes: Partial<MemberRecord> = {}): MemberRecord {
  return {
    id: owner.id,
    incarnation: 1,
    name: 'shop',
    endpoints: [],
    addresses: [],
    addressCounter: 0,
    routes: [],
    capabilities: [],
    certificate: new Uint8Array(0),
    left: false,
    ...changes,
  };
}

/** Valid from yesterday for 90 days, under the name that `record` gives. */
export function certify(
  issuer: Identity,
  subject: Identity,
  changes: Partial<Certificate> = {},
): Uint8Array {
  return signCertificate(issuer, {
    subject: subject.id,
    name: 'shop',
    groups: [],
    addresses: [],
    routes: [],
    notBefore: NOW - DAY,
    notAfter: NOW + 90 * DAY,
    serial: new Uint8Array(SERIAL_BYTES).fill(1),
    issuer: issuer.id,
    ...changes,
  });
}

export function opened(certificate: Uint8Array) {
  const decoded = decodeCertificate(certificate);
  if (decoded === null) throw new Error('This certificate does not decode');
  return decoded;
}

export function trustStore(
  keys: readonly TrustedKey[],
  revocations: readonly Uint8Array[] = [],
): TrustStore {
  return new TrustStore(meshCrypto, { keys, revocations, addressing });
}

export function authorityKey({ id }: Identity): TrustedKey {
  return { kind: 'authority', id, name: null };
}

export function nodeKey({ id }: Identity, grants: Partial<TrustedKey> = {}): TrustedKey {
  return { kind: 'node', id, name: null, ...grants };
}
