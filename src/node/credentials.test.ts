import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addressing,
  authorityKey,
  certify,
  DAY,
  identity,
  meshCrypto,
  NOW,
  opened,
} from '../../test/support/mesh.js';
import { signRevocation } from '../mesh/revocation.js';
import { TrustStore } from '../mesh/trust.js';
import { certifiedAs } from './credentials.js';
import { StateStore } from './state-store.js';

const authority = identity(1);
const shop = identity(2);
let store: StateStore;

beforeEach(() => {
  store = new StateStore(mkdtempSync(join(tmpdir(), 'weft-')));
  store.prepare();
});

afterEach(() => rmSync(store.directory, { recursive: true }));

function issue(certificate: Uint8Array): void {
  store.writeIssued(opened(certificate).serial, certificate);
}

const trust = (...revocations: Uint8Array[]) =>
  new TrustStore(meshCrypto, { keys: [authorityKey(authority)], revocations, addressing });

describe('a name', () => {
  test('belongs to whom it was certified for, member or not, until the certificate ends', () => {
    issue(certify(authority, shop));
    expect(certifiedAs(store, trust(), 'shop', NOW)).toBe(shop.id);
    expect(certifiedAs(store, trust(), 'other', NOW)).toBeNull();
    expect(certifiedAs(store, trust(), 'shop', NOW + 91 * DAY)).toBeNull();
  });

  test('is free again when its node, or the certificate, is revoked', () => {
    const certificate = certify(authority, shop);
    issue(certificate);
    const { serial } = opened(certificate);
    for (const subject of [
      { kind: 'node', node: shop.id },
      { kind: 'certificate', serial },
    ] as const) {
      const revocation = signRevocation(authority, { subject, reason: '', issuedAt: NOW });
      expect(certifiedAs(store, trust(revocation), 'shop', NOW)).toBeNull();
    }
  });

  test('is not taken by certificates of authorities that are not trusted', () => {
    issue(certify(identity(9), shop));
    expect(certifiedAs(store, trust(), 'shop', NOW)).toBeNull();
  });
});
