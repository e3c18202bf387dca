import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identity, meshCrypto, NOW } from '../../test/support/mesh.js';
import { endpoint, hex, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/mesh-identity.json' with { type: 'json' };
import { createInvite, type Invite, inviteProof, parseInvite } from './invite-token.js';
import type { NodeId } from './types.js';

const invite: Invite = {
  meshId: new Uint8Array(16).fill(1),
  meshKey: new Uint8Array(32).fill(2),
  issuer: identity(1).id,
  endpoints: [endpoint('192.0.2.1', 51_820), endpoint('2001:db8:0:0:0:0:0:1', 51_820)],
  id: new Uint8Array(16).fill(3),
  secret: new Uint8Array(32).fill(4),
  expiresAt: NOW + 3_600,
  groups: ['lab'],
};

describe('a token', () => {
  const token = createInvite(meshCrypto, invite);

  test('survives, fits a line, and says what it is', () => {
    expect(token).toMatch(/^weft1:[A-Za-z0-9_-]+$/);
    expect(token.length).toBeLessThan(350);
    expect(parseInvite(meshCrypto, token)).toEqual(invite);
  });

  test('is that of the vector', () => {
    const parsed = parseInvite(meshCrypto, vectors.invite.token);
    expect(parsed).toMatchObject({
      meshId: hex(vectors.meshId),
      meshKey: hex(vectors.meshKey),
      issuer: identity(2).id,
      endpoints: [endpoint('192.0.2.2', 51_820)],
      id: hex(vectors.invite.id),
      secret: hex(vectors.invite.secret),
      expiresAt: vectors.invite.expiresAt,
      groups: ['lab'],
    });
    expect(createInvite(meshCrypto, parsed)).toBe(vectors.invite.token);
    const proof = inviteProof(meshCrypto, parsed, vectors.invite.joiner as NodeId);
    expect(toHex(proof)).toBe(vectors.invite.proof);
  });

  test('bears white space of a paste', () => {
    const pasted = `\n  ${token.slice(0, 76)}\r\n${token.slice(76)}\n`;
    expect(parseInvite(meshCrypto, pasted)).toEqual(invite);
  });

  test('is told to be cut off, at whatever length', () => {
    for (let length = 'weft1:'.length; length < token.length; length++) {
      expect(() => parseInvite(meshCrypto, token.slice(0, length))).toThrow(/damaged or cut off/);
    }
  });

  test('is told to be damaged, at whatever character', () => {
    for (let at = 'weft1:'.length; at < token.length - 1; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      const damaged = token.slice(0, at) + other + token.slice(at + 1);
      expect(() => parseInvite(meshCrypto, damaged)).toThrow(/damaged or cut off/);
    }
    expect(() => parseInvite(meshCrypto, `${token}A`)).toThrow(/damaged/);
    expect(() => parseInvite(meshCrypto, token.replace(/.$/, '!'))).toThrow(/damaged/);
    expect(() => parseInvite(meshCrypto, `weft1:${'A'.repeat(1_000_000)}`)).toThrow(/damaged/);
  });

  test.each([
    ['', /No invite given/],
    [' \n', /No invite given/],
    ['https://example.com', /This is no invite/],
    ['weft2:AAAA', /This is no invite/],
    [token.slice(3), /This is no invite/],
  ])('%j is none, and the error says what one is', (text, message) => {
    const parse = () => parseInvite(meshCrypto, text);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ code: 'EINVITE' }));
  });

  test('of another version is told to be one', () => {
    const later = createInvite(meshCrypto, { ...invite, secret: new Uint8Array(64) });
    expect(() => parseInvite(meshCrypto, later)).toThrow(/update it/);
  });

  test('of any text throws nothing but what it should', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseInvite(meshCrypto, `weft1:${text}`)).toThrow(
          expect.objectContaining({ code: 'EINVITE' }),
        );
      }),
    );
  });
});

test('a proof is of one secret, invite, joiner and issuer', () => {
  const joiner = identity(5).id;
  const proofs = [
    inviteProof(meshCrypto, invite, joiner),
    inviteProof(meshCrypto, invite, identity(6).id),
    inviteProof(meshCrypto, { ...invite, issuer: identity(6).id }, joiner),
    inviteProof(meshCrypto, { ...invite, id: new Uint8Array(16) }, joiner),
    inviteProof(meshCrypto, { ...invite, secret: new Uint8Array(32) }, joiner),
    // joiner and issuer in each other's place
    inviteProof(meshCrypto, { ...invite, issuer: joiner }, invite.issuer),
  ];
  expect(new Set(proofs.map(toHex)).size).toBe(proofs.length);
  expect(inviteProof(meshCrypto, invite, joiner)).toEqual(proofs[0]);
});
