import { describe, expect, test } from 'vitest';
import { identity, meshCrypto } from '../../test/support/mesh.js';
import { hex, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/mesh-identity.json' with { type: 'json' };
import {
  createIdentity,
  nodeIdOf,
  parseNodeId,
  publicKeyOf,
  type SigningDomain,
  signIn,
  verifyIn,
  wireGuardKeyOf,
} from './identity.js';

describe('an identity', () => {
  test.each(vectors.addresses)('of seed $seed is known by its public key', ({ seed, id }) => {
    const { key, id: ours } = createIdentity(meshCrypto, hex(seed));
    expect(ours).toBe(id);
    expect(nodeIdOf(key.publicKey)).toBe(id);
    expect(publicKeyOf(ours)).toEqual(key.publicKey);
  });

  test('has the WireGuard key that everybody can derive', () => {
    const { id, key } = identity(1);
    expect(wireGuardKeyOf(meshCrypto, id)).toBe(toHex(key.agreementKey.publicKey));
  });

  test('that is no point of the curve has no WireGuard key', () => {
    const id = nodeIdOf(hex(`02${'00'.repeat(31)}`));
    expect(wireGuardKeyOf(meshCrypto, id)).toBeNull();
  });

  test('is read from 64 hex digits', () => {
    const { id } = identity(1);
    expect(parseNodeId(id)).toBe(id);
    expect(parseNodeId(id.toUpperCase())).toBe(id);
    for (const wrong of ['', id.slice(1), `${id}0`, `${id.slice(1)}g`, `${id}\n`]) {
      expect(parseNodeId(wrong)).toBeNull();
    }
  });
});

test('a signature holds in its domain, of its signer, over its payload', () => {
  const [alice, bob] = [identity(1), identity(2)];
  const payload = hex('0102');
  const domains: SigningDomain[] = ['record', 'accusation', 'certificate', 'revocation'];
  for (const domain of domains) {
    const signature = signIn(domain, alice, payload);
    for (const other of domains) {
      const holds = verifyIn(other, meshCrypto, alice.id, payload, signature);
      expect(holds).toBe(other === domain);
    }
    expect(verifyIn(domain, meshCrypto, bob.id, payload, signature)).toBe(false);
    expect(verifyIn(domain, meshCrypto, alice.id, hex('0103'), signature)).toBe(false);
    expect(verifyIn(domain, meshCrypto, alice.id, payload, signature.subarray(1))).toBe(false);
    // not the payload alone, as another program might sign it
    expect(verifyIn(domain, meshCrypto, alice.id, payload, alice.key.sign(payload))).toBe(false);
  }
});
