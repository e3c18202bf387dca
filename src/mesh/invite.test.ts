import { describe, expect, test } from 'vitest';
import {
  authorityKey,
  certify,
  DAY,
  identity,
  meshCrypto,
  NOW,
  opened,
  record,
  trustStore,
} from '../../test/support/mesh.js';
import { endpoint, hex, prefix, seededRandom } from '../../test/support/wg.js';
import type { Certificate } from './certificate.js';
import type { Identity } from './identity.js';
import {
  type Invite,
  InviteBook,
  type InviteEnvironment,
  type InviteOptions,
  inviteProof,
  MAX_INVITES,
  parseInvite,
} from './invite.js';
import type { NodeId } from './types.js';

const [authority, node, joiner, other] = [1, 2, 3, 4].map(identity) as [
  Identity,
  Identity,
  Identity,
  Identity,
];
const HOUR = 3_600;
const options: InviteOptions = {
  endpoints: [endpoint('192.0.2.1', 51_820)],
  lifetimeSeconds: HOUR,
  certificateLifetimeSeconds: 90 * DAY,
};

function environment(changes: Partial<InviteEnvironment> = {}): InviteEnvironment {
  return {
    crypto: meshCrypto,
    random: seededRandom(1),
    meshId: new Uint8Array(16).fill(1),
    meshKey: new Uint8Array(32).fill(2),
    node: node.id,
    signer: authority,
    signerCertificate: null,
    nameOwner: () => null,
    isRevoked: () => false,
    ...changes,
  };
}

/** A book, and its only invite as the joiner reads it. */
function issued(changes: Partial<InviteOptions> = {}, env = environment()) {
  const book = new InviteBook(env);
  const token = book.issue(NOW, { ...options, ...changes });
  return { book, invite: parseInvite(meshCrypto, token) };
}

function redeem(book: InviteBook, invite: Invite, by: NodeId, name = 'shop', now = NOW) {
  return book.redeem(invite.id, inviteProof(meshCrypto, invite, by), by, name, now);
}

function reasonOf(...args: Parameters<typeof redeem>): string {
  const redemption = redeem(...args);
  return redemption.ok ? 'ok' : redemption.reason;
}

function restarted(book: InviteBook): InviteBook {
  return new InviteBook(environment({ random: seededRandom(2) }), book.state());
}

describe('an invite', () => {
  test('tells the joiner whom to ask, and for how long', () => {
    const { invite } = issued({ groups: ['lab'] });
    expect(invite).toMatchObject({
      meshId: new Uint8Array(16).fill(1),
      meshKey: new Uint8Array(32).fill(2),
      issuer: node.id,
      endpoints: options.endpoints,
      expiresAt: NOW + HOUR,
      groups: ['lab'],
    });
  });

  test('gives a certificate that the mesh accepts', () => {
    const { book, invite } = issued({ groups: ['lab'], routes: [prefix('10.20.0.0/16')] });
    const redemption = redeem(book, invite, joiner.id);
    if (!redemption.ok) throw new Error(redemption.reason);
    const { certificate } = redemption;
    const claimed = record(joiner, { certificate, routes: [prefix('10.20.1.0/24')] });
    const verdict = trustStore([authorityKey(authority)]).judge(claimed, NOW);
    expect(verdict).toMatchObject({
      ok: true,
      by: 'certificate',
      groups: ['lab'],
      expiresInDays: 90,
    });
    // the others' clocks may be behind
    const trust = trustStore([authorityKey(authority)]);
    expect(trust.judge(claimed, NOW - HOUR).ok).toBe(true);
  });

  test('has secrets of its own, and so has each certificate a serial', () => {
    const book = new InviteBook(environment());
    const invites = [1, 2].map(() => parseInvite(meshCrypto, book.issue(NOW, options)));
    expect(invites[0]?.id).not.toEqual(invites[1]?.id);
    expect(invites[0]?.secret).not.toEqual(invites[1]?.secret);
    const certificates = [joiner, other].map(({ id }, i) => {
      const redemption = redeem(book, invites[i]!, id, `n${i}`);
      return redemption.ok ? opened(redemption.certificate) : null;
    });
    expect(certificates[0]?.serial).not.toEqual(certificates[1]?.serial);
  });

  test('needs proof of its secret, by whom the channel authenticated', () => {
    const { book, invite } = issued();
    const proof = inviteProof(meshCrypto, invite, joiner.id);
    const attempt = (id: Uint8Array, given: Uint8Array, by: NodeId) => {
      const redemption = book.redeem(id, given, by, 'shop', NOW);
      return redemption.ok ? 'ok' : redemption.reason;
    };
    expect(attempt(invite.id, proof, other.id)).toBe('unknown-invite');
    expect(attempt(invite.id, new Uint8Array(32), joiner.id)).toBe('unknown-invite');
    expect(attempt(invite.id, hex(''), joiner.id)).toBe('unknown-invite');
    expect(attempt(new Uint8Array(16), proof, joiner.id)).toBe('unknown-invite');
    expect(attempt(new Uint8Array(1_000), proof, joiner.id)).toBe('unknown-invite');
    const elsewhere = { ...invite, issuer: other.id };
    const proofElsewhere = inviteProof(meshCrypto, elsewhere, joiner.id);
    expect(attempt(invite.id, proofElsewhere, joiner.id)).toBe('unknown-invite');
    expect(attempt(invite.id, proof, joiner.id)).toBe('ok');
    expect(book.counters()).toEqual({ 'unknown-invite': 6, redeemed: 1 });
  });

  test('is used once, but answers its joiner again with the same', () => {
    const { book, invite } = issued();
    const first = redeem(book, invite, joiner.id);
    expect(first).toMatchObject({ ok: true, isNew: true });
    const again = { ...first, isNew: false };
    expect(redeem(book, invite, joiner.id)).toEqual(again);
    expect(redeem(book, invite, joiner.id, 'another-name')).toEqual(again);
    expect(reasonOf(book, invite, other.id, 'lab')).toBe('used-up');
    // also after the end: the answer may have been lost
    expect(redeem(book, invite, joiner.id, 'shop', NOW + HOUR)).toEqual(again);
  });

  test('is used as often as it says', () => {
    const { book, invite } = issued({ uses: 2 });
    expect(reasonOf(book, invite, identity(10).id, 'a')).toBe('ok');
    expect(reasonOf(book, invite, identity(11).id, 'b')).toBe('ok');
    expect(reasonOf(book, invite, identity(12).id, 'c')).toBe('used-up');
  });

  test('ends', () => {
    const { book, invite } = issued();
    expect(reasonOf(book, invite, joiner.id, 'shop', NOW + HOUR)).toBe('expired');
    expect(reasonOf(book, invite, joiner.id, 'shop', NOW + HOUR - 1)).toBe('ok');
  });

  test('can be cancelled', () => {
    const { book, invite } = issued();
    const [summary] = book.list(NOW);
    expect(book.cancel(summary!.id)).toBe(true);
    expect(book.cancel(summary!.id)).toBe(false);
    expect(reasonOf(book, invite, joiner.id)).toBe('unknown-invite');
  });

  test('is for names that nobody has', () => {
    const owners: Record<string, NodeId> = { shop: other.id, mine: joiner.id };
    const env = environment({ nameOwner: (name) => owners[name] ?? null });
    const { book, invite } = issued({ uses: 3 }, env);
    expect(reasonOf(book, invite, joiner.id, 'shop')).toBe('name-taken');
    expect(reasonOf(book, invite, joiner.id, 'Shop')).toBe('bad-name');
    expect(reasonOf(book, invite, joiner.id, '')).toBe('bad-name');
    expect(reasonOf(book, invite, joiner.id, 'mine')).toBe('ok');
    expect(reasonOf(book, invite, identity(9).id, 'mine')).toBe('name-taken');
  });

  test('is not for whom its authority revoked, nor answered again for it', () => {
    const revoked = new Set<string>();
    const isRevoked = (by: NodeId, id: NodeId) => by === authority.id && revoked.has(id);
    const { book, invite } = issued({ uses: 2 }, environment({ isRevoked }));
    expect(reasonOf(book, invite, joiner.id)).toBe('ok');
    revoked.add(joiner.id);
    expect(reasonOf(book, invite, joiner.id)).toBe('revoked');
    expect(reasonOf(book, invite, other.id, 'shop-2')).toBe('ok');
  });

  test('keeps a name for its joiner until the mesh knows', () => {
    const { book, invite } = issued({ uses: 2 });
    const late = NOW + 599;
    expect(reasonOf(book, invite, joiner.id, 'shop')).toBe('ok');
    expect(reasonOf(book, invite, other.id, 'shop', late)).toBe('name-taken');
    expect(reasonOf(restarted(book), invite, other.id, 'shop', late)).toBe('name-taken');
    expect(reasonOf(book, invite, other.id, 'shop', late + 1)).toBe('ok');
  });

  test('leads to endpoints that can be reached', () => {
    const useless = [endpoint('0.0.0.0', 51_820), endpoint('192.0.2.1', 0)];
    expect(() => issued({ endpoints: useless })).toThrow(/Announce/);
    expect(() => issued({ endpoints: [] })).toThrow(/Announce/);
    const many = Array.from({ length: 20 }, (_, i) => endpoint('192.0.2.1', 1 + i));
    const { invite } = issued({ endpoints: [...useless, ...many] });
    expect(invite.endpoints).toEqual(many.slice(0, 8));
  });

  test('may be for one name', () => {
    const { book, invite } = issued({ name: 'shop' });
    expect(reasonOf(book, invite, joiner.id, 'lab')).toBe('bad-name');
    expect(reasonOf(book, invite, joiner.id, 'shop')).toBe('ok');
  });
});

describe('across a restart', () => {
  test('uses count, joiners are answered as before, the rest stays open', () => {
    const { book, invite } = issued({ uses: 2, groups: ['lab'], routes: [prefix('10.0.0.0/8')] });
    const first = redeem(book, invite, joiner.id);
    const next = restarted(book);
    expect(next.list(NOW)).toEqual(book.list(NOW));
    expect(redeem(next, invite, joiner.id)).toEqual({ ...first, isNew: false });
    const second = redeem(next, invite, other.id, 'lab');
    expect(second.ok && opened(second.certificate)).toMatchObject({
      groups: ['lab'],
      routes: [prefix('10.0.0.0/8')],
    });
    const last = restarted(next);
    expect(reasonOf(last, invite, identity(9).id, 'x')).toBe('used-up');
    expect(reasonOf(last, invite, other.id, 'lab')).toBe('ok');
  });

  test('the end stays', () => {
    const { book, invite } = issued();
    expect(reasonOf(restarted(book), invite, joiner.id, 'shop', NOW + HOUR)).toBe('expired');
  });

  test('damaged state is an error, and no empty book', () => {
    const state = issued().book.state();
    const open = (bytes: Uint8Array) => new InviteBook(environment(), bytes);
    expect(open(state).list(NOW)).toHaveLength(1);
    for (const wrong of [hex(''), hex('80'), hex('c0'), state.subarray(0, -1)]) {
      expect(() => open(wrong)).toThrow(expect.objectContaining({ code: 'EINVITES' }));
    }
    const later = state.slice();
    later[3] = 2; // the version
    expect(() => open(later)).toThrow(/damaged/);
  });
});

describe('the book', () => {
  test('says what is open, and what became of it', () => {
    const book = new InviteBook(environment());
    const invite = parseInvite(meshCrypto, book.issue(NOW, { ...options, uses: 2 }));
    book.issue(NOW, { ...options, name: 'lab', groups: ['lab'] });
    redeem(book, invite, joiner.id);
    expect(book.list(NOW)).toMatchObject([
      {
        expiresAt: NOW + HOUR,
        uses: 2,
        usesLeft: 1,
        name: null,
        groups: [],
        joiners: [{ id: joiner.id, name: 'shop' }],
      },
      { uses: 1, usesLeft: 1, name: 'lab', groups: ['lab'], joiners: [] },
    ]);
    expect(book.list(NOW + HOUR).map(({ usesLeft }) => usesLeft)).toEqual([0, 0]);
    expect(JSON.stringify(book.list(NOW))).not.toContain(
      Buffer.from(invite.secret).toString('hex'),
    );
  });

  test('is bounded, and forgets what has long ended', () => {
    const book = new InviteBook(environment());
    for (let i = 0; i < MAX_INVITES; i++) book.issue(NOW, options);
    expect(() => book.issue(NOW, options)).toThrow(/cancel some/);
    expect(restarted(book).list(NOW)).toHaveLength(MAX_INVITES);
    expect(book.list(NOW + HOUR + DAY - 1)).toHaveLength(MAX_INVITES);
    book.issue(NOW + HOUR + DAY, options);
    expect(book.list(NOW + HOUR + DAY)).toHaveLength(1);
  });

  test.each<[string, Partial<InviteOptions>, RegExp]>([
    ['no time', { lifetimeSeconds: 0 }, /at least one/],
    ['no time that is a number', { lifetimeSeconds: Number.NaN }, /whole number/],
    ['half a second', { lifetimeSeconds: 0.5 }, /whole number/],
    ['more time than there is', { lifetimeSeconds: 1e12 }, /whole number/],
    ['half a use', { uses: 1.5 }, /1 to 1024 uses/],
    ['no uses', { uses: 0 }, /1 to 1024 uses/],
    ['too many uses', { uses: 1_025 }, /1 to 1024 uses/],
    ['one name for many', { uses: 2, name: 'shop' }, /one use/],
    ['a bad name', { name: 'Shop' }, /"Shop"/],
    ['a bad group', { groups: ['A'] }, /groups/],
    ['a certificate without time', { certificateLifetimeSeconds: -2 * HOUR }, /validity/],
    [
      'more routes than a certificate holds',
      {
        routes: Array(32).fill(prefix('fd20:0:0:0:0:0:0:0/64')),
        groups: Array(16).fill('g'.repeat(63)),
      },
      /fewer/,
    ],
  ])('issues none with %s', (_, changes, message) => {
    expect(() => issued(changes)).toThrow(message);
    expect(() => issued(changes)).toThrow(expect.objectContaining({ code: 'EINVITE' }));
  });
});

describe('a delegated issuer', () => {
  const own = (changes: Partial<Certificate> = {}) =>
    certify(authority, node, {
      name: 'issuer',
      canIssue: { names: ['lab-*'], groups: ['lab'], routes: [], addresses: [] },
      notAfter: NOW + 10 * DAY,
      ...changes,
    });
  const delegated = (certificate: Uint8Array) =>
    environment({ signer: node, signerCertificate: certificate });

  test('issues certificates that the mesh accepts, and that end with its own', () => {
    const { book, invite } = issued({ groups: ['lab'] }, delegated(own()));
    const redemption = redeem(book, invite, joiner.id, 'lab-1');
    if (!redemption.ok) throw new Error(redemption.reason);
    const { certificate } = redemption;
    const claimed = record(joiner, { name: 'lab-1', certificate });
    const verdict = trustStore([authorityKey(authority)]).judge(claimed, NOW);
    expect(verdict).toMatchObject({ ok: true, groups: ['lab'], expiresInDays: 10 });
    expect(opened(certificate).notAfter).toBe(NOW + 10 * DAY);
  });

  test('issues nothing outside of its scope, and says so when the invite is made', () => {
    const env = delegated(own());
    expect(() => issued({ groups: ['admins'] }, env)).toThrow(/group admins/);
    expect(() => issued({ name: 'shop' }, env)).toThrow(/name shop/);
    expect(() => issued({ routes: [prefix('10.0.0.0/8')] }, env)).toThrow(/route/);
    const { book, invite } = issued({}, env);
    expect(reasonOf(book, invite, joiner.id, 'shop')).toBe('cannot-issue');
    expect(reasonOf(book, invite, joiner.id, 'lab-1')).toBe('ok');
  });

  test('issues nothing without the right to, or after its own end', () => {
    const plain = certify(authority, node, { name: 'issuer' });
    expect(() => issued({}, delegated(plain))).toThrow(/does not let it/);
    const ending = delegated(own({ notAfter: NOW + 60 }));
    const { book, invite } = issued({}, ending);
    expect(reasonOf(book, invite, joiner.id, 'lab-1', NOW + 60)).toBe('cannot-issue');
    expect(reasonOf(book, invite, joiner.id, 'lab-1', NOW + 59)).toBe('ok');
  });
});
