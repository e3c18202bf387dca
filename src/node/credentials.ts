// What a mesh node judges others by, and admits them with, made from its settings: the trust store, and the invites if it
// may sign certificates.

import type { MeshCrypto } from '../core/crypto.js';
import type { Random } from '../core/random.js';
import { decodeCertificate } from '../mesh/certificate.js';
import { createIdentity, type Identity } from '../mesh/identity.js';
import { InviteBook } from '../mesh/invite.js';
import { TrustStore } from '../mesh/trust.js';
import type { NodeId } from '../mesh/types.js';
import type { Settings } from './settings.js';
import type { StateStore } from './state-store.js';

/** @param known revocations that are in force: one that could not be saved holds all the same */
export function createTrust(
  crypto: MeshCrypto,
  { trustedKeys, mesh, ...saved }: Settings,
  known: Iterable<Uint8Array>,
): TrustStore {
  const addressing = { meshId: mesh.meshId, v4Prefix: mesh.v4Prefix };
  const revocations = [...saved.revocations, ...known];
  return new TrustStore(crypto, { keys: trustedKeys, revocations, addressing });
}

/**
 * Whom this host has certified under a name, member or not: the name is theirs until the certificate ends or is revoked.
 * Null: nobody.
 */
export function certifiedAs(
  store: StateStore,
  trust: TrustStore,
  name: string,
  nowSeconds: number,
): NodeId | null {
  for (const bytes of store.readIssued()) {
    const certificate = decodeCertificate(bytes);
    if (certificate?.name === name && trust.certifies(bytes, nowSeconds))
      return certificate.subject;
  }
  return null;
}

export interface Issuing {
  readonly crypto: MeshCrypto;
  readonly random: Random;
  readonly identity: Identity;
  readonly store: StateStore;
  nameOwner(name: string): NodeId | null;
  isRevoked(authority: NodeId, node: NodeId): boolean;
}

/** Null if nothing here may sign certificates. */
export function openInvites(
  { crypto, random, identity, store, nameOwner, isRevoked }: Issuing,
  { mesh, certificate, certificateBytes }: Settings,
): InviteBook | null {
  const seed = store.readSeed('authority');
  const isDelegate = certificate?.canIssue !== undefined;
  if (seed === null && !isDelegate) return null;
  return new InviteBook(
    {
      crypto,
      random,
      meshId: mesh.meshId,
      meshKey: mesh.meshKey,
      node: identity.id,
      signer: seed === null ? identity : createIdentity(crypto, seed),
      signerCertificate: seed === null ? certificateBytes : null,
      nameOwner,
      isRevoked,
    },
    store.readBytes('invites'),
  );
}
