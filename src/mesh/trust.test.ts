import { describe, expect, test } from 'vitest';
import {
  addressing,
  authorityKey,
  certify,
  DAY,
  identity,
  meshCrypto,
  NOW,
  nodeKey,
  opened,
  record,
  trustStore,
} from '../../test/support/mesh.js';
import { address, hex, prefix } from '../../test/support/wg.js';
import { addressKey, deriveV4, deriveV6, resolveAddresses } from './addresses.js';
import { type Certificate, type IssuerScope, seniorityOf } from './certificate.js';
import { signRevocation } from './revocation.js';
import { TrustStore } from './trust.js';
import type { MemberRecord, NodeId } from './types.js';

const [authority, issuer, member, stranger] = [1, 2, 3, 4].map(identity) as [
  ReturnType<typeof identity>,
  ReturnType<typeof identity>,
  ReturnType<typeof identity>,
  ReturnType<typeof identity>,
];
const store = () => trustStore([authorityKey(authority)]);
const serial = (n: number) => new Uint8Array(16).fill(n);

function withCertificate(certificate: Uint8Array, changes: Partial<MemberRecord> = {}) {
  return record(member, { certificate, ...changes });
}

function reasonOf(trust: TrustStore, claimed: MemberRecord, now = NOW): string {
  const verdict = trust.judge(claimed, now);
  return verdict.ok ? `accepted by ${verdict.by}` : verdict.reason;
}

describe('default deny', () => {
  test('nobody is trusted without a key: not even with a certificate', () => {
    const none = trustStore([]);
    expect(reasonOf(none, record(member))).toBe('unknown');
    expect(reasonOf(none, withCertificate(certify(authority, member)))).toBe('unknown');
    expect(reasonOf(none, withCertificate(certify(member, member)))).toBe('unknown');
  });

  test('an authority is no node, and a node no authority', () => {
    expect(reasonOf(store(), record(authority))).toBe('unknown');
    const nodes = trustStore([nodeKey(authority)]);
    expect(reasonOf(nodes, record(authority))).toBe('accepted by key');
    expect(reasonOf(nodes, withCertificate(certify(authority, member)))).toBe('unknown');
  });
});

describe('trust by key', () => {
  test('a node is accepted for what its file gives it', () => {
    const trust = trustStore([nodeKey(member), nodeKey(stranger)]);
    expect(trust.judge(record(member), NOW)).toEqual({
      ok: true,
      by: 'key',
      groups: [],
      pinned: [],
      since: 0,
    });
    expect(reasonOf(trust, record(issuer))).toBe('unknown');
  });

  test('name, routes and addresses are covered, or all is refused', () => {
    const pinned = address('10.86.9.1');
    const trust = trustStore([
      nodeKey(member, {
        name: 'shop',
        routes: [prefix('10.20.0.0/16')],
        addresses: [pinned],
        groups: ['routers'],
      }),
    ]);
    const route = (text: string) => record(member, { routes: [prefix(text)] });
    expect(trust.judge(record(member, { addresses: [pinned] }), NOW)).toMatchObject({
      ok: true,
      groups: ['routers'],
      pinned: [pinned],
    });
    expect(reasonOf(trust, route('10.20.1.0/24'))).toBe('accepted by key');
    expect(reasonOf(trust, route('10.0.0.0/8'))).toBe('out-of-scope');
    expect(reasonOf(trust, route('0.0.0.0/0'))).toBe('out-of-scope');
    expect(reasonOf(trust, record(member, { name: 'lab' }))).toBe('name-mismatch');
  });

  test('a bad certificate does not take it away, and a good one gives more', () => {
    const keys = [authorityKey(authority), nodeKey(member)];
    const expired = certify(authority, member, { notBefore: 1, notAfter: 2 });
    expect(reasonOf(trustStore(keys), withCertificate(expired))).toBe('accepted by key');
    const good = certify(authority, member, { routes: [prefix('10.20.0.0/16')] });
    const claimed = withCertificate(good, { routes: [prefix('10.20.0.0/16')] });
    expect(reasonOf(trustStore(keys), claimed)).toBe('accepted by certificate');
  });
});

describe('addresses', () => {
  const { meshId, v4Prefix } = addressing;
  const v6 = deriveV6(meshCrypto, meshId, member.id);
  const v4 = (counter: number) => deriveV4(meshCrypto, v4Prefix!, member.id, counter);
  const byKey = trustStore([nodeKey(member)]);

  test('derived from the identity are its own', () => {
    expect(reasonOf(byKey, record(member, { addresses: [v4(0), v6] }))).toBe('accepted by key');
    const later = record(member, { addresses: [v4(3)], addressCounter: 3 });
    expect(reasonOf(byKey, later)).toBe('accepted by key');
  });

  test("of another, by another counter, or of one's choice are not", () => {
    const others = [
      deriveV6(meshCrypto, meshId, stranger.id),
      deriveV4(meshCrypto, v4Prefix!, stranger.id, 0),
      v4(3),
      address('10.86.0.1'),
      address('192.0.2.1'),
      address('fd00:0:0:0:0:0:0:1'),
    ];
    for (const other of others) {
      const verdict = byKey.judge(record(member, { addresses: [other] }), NOW);
      expect(verdict).toMatchObject({ ok: false, reason: 'out-of-scope' });
    }
  });

  test('pinned by a certificate replace the derived one of their family', () => {
    const pinned = address('10.86.9.1');
    const certificate = certify(authority, member, { addresses: [pinned] });
    const claiming = (...addresses: Uint8Array[]) => withCertificate(certificate, { addresses });
    expect(store().judge(claiming(pinned, v6), NOW)).toMatchObject({ ok: true, pinned: [pinned] });
    expect(reasonOf(store(), claiming(v4(0)))).toBe('out-of-scope');
    const wider = trustStore([authorityKey(authority)]);
    expect(reasonOf(wider, claiming(address('10.86.9.2')))).toBe('out-of-scope');
  });

  test('there are none of IPv4 in a mesh without an IPv4 prefix, but pinned ones', () => {
    const trust = new TrustStore(meshCrypto, {
      keys: [nodeKey(member), nodeKey(stranger, { addresses: [address('10.1.1.1')] })],
      revocations: [],
      addressing: { meshId, v4Prefix: null },
    });
    expect(reasonOf(trust, record(member, { addresses: [v6] }))).toBe('accepted by key');
    expect(reasonOf(trust, record(member, { addresses: [v4(0)] }))).toBe('out-of-scope');
    const pinned = record(stranger, { addresses: [address('10.1.1.1')] });
    expect(reasonOf(trust, pinned)).toBe('accepted by key');
  });
});

describe('addresses of plain devices', () => {
  const phone = address('10.86.7.7');
  const offering = (...routes: string[]) => ({ routes: routes.map(prefix) });
  const given = (trust: TrustStore, claimed: MemberRecord) => {
    const verdict = trust.judge(claimed, NOW);
    return verdict.ok ? verdict.pinned : verdict.reason;
  };
  const certified = (grants: string[], changes: Partial<MemberRecord>) =>
    withCertificate(certify(authority, member, offering(...grants)), changes);

  test.each([
    ['the host route', '10.86.7.7/32'],
    ['a network within the mesh', '10.86.7.0/24'],
    ['all of the mesh', '10.86.0.0/16'],
  ])('are given with %s, once they are offered', (_, grant) => {
    expect(given(store(), certified([grant], offering('10.86.7.7/32')))).toEqual([phone]);
    expect(given(store(), certified([grant], {}))).toEqual([]);
    const byKey = trustStore([nodeKey(member, offering(grant))]);
    expect(given(byKey, record(member, offering('10.86.7.7/32')))).toEqual([phone]);
  });

  test.each(['10.0.0.0/8', '0.0.0.0/0'])(
    'are not given with %s: a right to go elsewhere',
    (wide) => {
      expect(given(store(), certified([wide], offering('10.86.7.7/32')))).toEqual([]);
      const byKey = trustStore([nodeKey(member, offering(wide))]);
      expect(given(byKey, record(member, offering('10.86.7.7/32')))).toEqual([]);
    },
  );

  test('are IPv4 hosts of the mesh other than the node itself', () => {
    const own = deriveV4(meshCrypto, addressing.v4Prefix!, member.id, 0);
    const routes = ['10.86.7.0/24', '192.0.2.1/32', 'fd00:0:0:0:0:0:0:1/128'];
    const changes = {
      routes: [...routes.map(prefix), { address: own, length: 32 }],
      addresses: [own],
    };
    const trust = store();
    expect(given(trust, certified(['10.86.0.0/16', ...routes], changes))).toEqual([]);
  });
});

describe('trust by certificate', () => {
  test('of a trusted authority', () => {
    const certificate = certify(authority, member, { groups: ['lab'] });
    expect(store().judge(withCertificate(certificate), NOW)).toEqual({
      ok: true,
      by: 'certificate',
      notAfter: NOW + 90 * DAY,
      certificate: opened(certificate),
      expiresInDays: 90,
      groups: ['lab'],
      pinned: [],
      since: opened(certificate).notBefore,
    });
  });

  test.each<[string, () => MemberRecord, string]>([
    ['that does not decode', () => withCertificate(hex('00'.repeat(100))), 'malformed'],
    [
      'by an authority that is not trusted',
      () => withCertificate(certify(stranger, member)),
      'unknown',
    ],
    ['of another node', () => withCertificate(certify(authority, stranger)), 'wrong-subject'],
    [
      'under another name',
      () => withCertificate(certify(authority, member), { name: 'lab' }),
      'name-mismatch',
    ],
    [
      'without the routes offered',
      () => withCertificate(certify(authority, member), { routes: [prefix('10.0.0.0/8')] }),
      'out-of-scope',
    ],
    [
      'with narrower routes than offered',
      () =>
        withCertificate(certify(authority, member, { routes: [prefix('10.20.0.0/16')] }), {
          routes: [prefix('10.20.0.0/16'), prefix('10.0.0.0/8')],
        }),
      'out-of-scope',
    ],
  ])('%s is refused', (_, claimed, reason) => {
    expect(reasonOf(store(), claimed())).toBe(reason);
  });

  test('that was forged is refused, every bit of it, and again when seen again', () => {
    const good = certify(authority, member);
    const trust = store();
    for (let i = 0; i < good.length; i++) {
      const forged = good.slice();
      forged[i] = (forged[i] ?? 0) ^ 1;
      expect(trust.judge(withCertificate(forged), NOW).ok).toBe(false);
      expect(trust.judge(withCertificate(forged), NOW).ok).toBe(false);
    }
    const forged = good.slice();
    forged[0] = (forged[0] ?? 0) ^ 1;
    expect(reasonOf(trust, withCertificate(good))).toBe('accepted by certificate');
    expect(reasonOf(trust, withCertificate(forged))).toBe('bad-signature');
  });

  test('holds from its first second up to its last', () => {
    const trust = store();
    const claimed = withCertificate(
      certify(authority, member, { notBefore: NOW, notAfter: NOW + 10 }),
    );
    expect(reasonOf(trust, claimed, NOW - 1)).toBe('not-yet-valid');
    expect(reasonOf(trust, claimed, NOW)).toBe('accepted by certificate');
    expect(reasonOf(trust, claimed, NOW + 9)).toBe('accepted by certificate');
    expect(reasonOf(trust, claimed, NOW + 10)).toBe('expired');
    // a clock that has not been set yet accepts nobody
    expect(reasonOf(trust, claimed, 0)).toBe('not-yet-valid');
  });

  test('is verified once', () => {
    let verifications = 0;
    const counting = {
      ...meshCrypto,
      verify: (...args: Parameters<typeof meshCrypto.verify>) => {
        verifications++;
        return meshCrypto.verify(...args);
      },
    };
    const keys = [authorityKey(authority)];
    const trust = new TrustStore(counting, { keys, revocations: [], addressing });
    const claimed = withCertificate(certify(authority, member));
    for (let i = 0; i < 5; i++) expect(trust.judge(claimed, NOW).ok).toBe(true);
    expect(verifications).toBe(1);
  });
});

describe('a delegated issuer', () => {
  const scope: IssuerScope = {
    names: ['lab-*'],
    groups: ['lab'],
    routes: [prefix('10.20.0.0/16')],
    addresses: [],
  };
  const delegation = (changes: Partial<Certificate> = {}) =>
    certify(authority, issuer, {
      name: 'issuer',
      canIssue: scope,
      serial: serial(0x11),
      ...changes,
    });
  const leaf = (changes: Partial<Certificate> = {}) =>
    certify(issuer, member, {
      name: 'lab-1',
      groups: ['lab'],
      issuerCertificate: delegation(),
      serial: serial(0x22),
      ...changes,
    });
  const lab = (certificate: Uint8Array, changes: Partial<MemberRecord> = {}) =>
    withCertificate(certificate, { name: 'lab-1', ...changes });

  test('certifies within its scope, and is a member itself', () => {
    expect(store().judge(lab(leaf()), NOW)).toMatchObject({ ok: true, groups: ['lab'] });
    const own = record(issuer, { name: 'issuer', certificate: delegation() });
    expect(reasonOf(store(), own)).toBe('accepted by certificate');
  });

  test.each<[string, Partial<Certificate>]>([
    ['name', { name: 'shop' }],
    ['group', { groups: ['admins'] }],
    ['route', { routes: [prefix('10.0.0.0/8')] }],
    ['address', { addresses: [address('10.86.9.1')] }],
  ])('gives no %s beyond it, claimed or not', (_, changes) => {
    const certificate = leaf(changes);
    const { name } = opened(certificate);
    expect(reasonOf(store(), lab(certificate, { name }))).toBe('out-of-scope');
  });

  test('is one only with the right to issue', () => {
    const plain = certify(authority, issuer, { name: 'issuer' });
    expect(reasonOf(store(), lab(leaf({ issuerCertificate: plain })))).toBe('out-of-scope');
  });

  test('is the node that its certificate is of', () => {
    const ofStranger = certify(authority, stranger, { name: 'issuer', canIssue: scope });
    const verdict = reasonOf(store(), lab(leaf({ issuerCertificate: ofStranger })));
    expect(verdict).toBe('wrong-subject');
  });

  test('makes no further ones: the chain ends at the authority', () => {
    const second = certify(issuer, stranger, {
      name: 'lab-2',
      issuerCertificate: delegation(),
    });
    const third = certify(stranger, member, { name: 'lab-1', issuerCertificate: second });
    expect(reasonOf(store(), lab(third))).toBe('unknown');
  });

  test('that anybody makes of themselves is none', () => {
    const own = certify(issuer, issuer, { name: 'issuer', canIssue: scope });
    expect(reasonOf(store(), lab(leaf({ issuerCertificate: own })))).toBe('unknown');
    const forged = delegation();
    forged[0] = (forged[0] ?? 0) ^ 1;
    expect(reasonOf(store(), lab(leaf({ issuerCertificate: forged })))).toBe('bad-signature');
    const forgedLeaf = leaf();
    forgedLeaf[0] = (forgedLeaf[0] ?? 0) ^ 1;
    expect(reasonOf(store(), lab(forgedLeaf))).toBe('bad-signature');
    expect(reasonOf(store(), lab(leaf({ issuerCertificate: hex('00') })))).toBe('malformed');
    const byNobody = certify(issuer, member, { name: 'lab-1' });
    expect(reasonOf(store(), lab(byNobody))).toBe('unknown');
  });

  test('certifies no longer than its own certificate holds', () => {
    const short = delegation({ notBefore: NOW, notAfter: NOW + 5 * DAY });
    const trust = store();
    const claimed = lab(leaf({ issuerCertificate: short }));
    expect(trust.judge(claimed, NOW)).toMatchObject({ ok: true, expiresInDays: 5 });
    expect(reasonOf(trust, claimed, NOW - 1)).toBe('not-yet-valid');
    expect(reasonOf(trust, claimed, NOW + 5 * DAY)).toBe('expired');
  });

  describe('takes no address by dating what it signs', () => {
    const { v4Prefix } = addressing;
    const due = deriveV4(meshCrypto, v4Prefix!, member.id, 0);

    /** Who has `due` if both are, by certificates as they are. */
    const ownerOf = (thief: Uint8Array, victim: { since: number }): NodeId | undefined => {
      const verdict = store().judge(lab(thief, { addresses: [due] }), NOW);
      if (!verdict.ok) throw new Error(verdict.detail);
      const claimed = { addresses: [due], addressCounter: 0, routes: [] };
      const claims = [
        { id: member.id, record: claimed, pinned: verdict.pinned, since: verdict.since },
        { id: stranger.id, record: claimed, pinned: [], since: victim.since },
      ];
      return resolveAddresses(meshCrypto, claims, v4Prefix).owners.get(addressKey(due));
    };

    test.each([0, 1, NOW - DAY])(
      'of whom the authority certified, or a key file (%i)',
      (notBefore) => {
        const thief = leaf({ notBefore });
        const victim = opened(certify(authority, stranger, { notBefore: NOW - 1 }));
        expect(ownerOf(thief, { since: seniorityOf(victim) })).toBe(stranger.id);
        expect(ownerOf(thief, { since: 0 })).toBe(stranger.id);
      },
    );

    test('of whom another issuer certified before it was one', () => {
      const old = delegation({ notBefore: NOW - 3 * DAY });
      const issuerCertificate = delegation({ notBefore: NOW - DAY });
      const victim = opened(
        certify(issuer, stranger, { notBefore: NOW - 2 * DAY, issuerCertificate: old }),
      );
      const since = seniorityOf(victim);
      expect(ownerOf(leaf({ notBefore: 1, issuerCertificate }), { since })).toBe(stranger.id);
      // whoever was certified earlier still comes first
      const earlier = leaf({ notBefore: NOW - 2.5 * DAY, issuerCertificate: old });
      expect(ownerOf(earlier, { since })).toBe(member.id);
    });
  });

  test('gives addresses of plain devices only where its own right to routes is within the mesh', () => {
    const phone = '10.86.7.7/32';
    const verdictWith = (routes: string) => {
      const issuerCertificate = delegation({ canIssue: { ...scope, routes: [prefix(routes)] } });
      const certificate = leaf({ routes: [prefix(phone)], issuerCertificate });
      return store().judge(lab(certificate, { routes: [prefix(phone)] }), NOW);
    };
    expect(verdictWith('10.0.0.0/8')).toMatchObject({ ok: true, pinned: [] });
    expect(verdictWith('10.86.7.0/24')).toMatchObject({ pinned: [address('10.86.7.7')] });
  });

  test.each([
    ['its certificate', { kind: 'certificate', serial: serial(0x11) }],
    ['it', { kind: 'node', node: issuer.id }],
    ['the leaf', { kind: 'certificate', serial: serial(0x22) }],
    ['the member', { kind: 'node', node: member.id }],
  ] as const)('certifies nobody any more once %s is revoked', (_, subject) => {
    const trust = store();
    expect(reasonOf(trust, lab(leaf()))).toBe('accepted by certificate');
    trust.addRevocation(signRevocation(authority, { subject, reason: 'lost', issuedAt: NOW }));
    expect(reasonOf(trust, lab(leaf()))).toBe('revoked');
  });
});

describe('revocations', () => {
  const ofSerial = (n: number, by = authority) =>
    signRevocation(by, {
      subject: { kind: 'certificate', serial: serial(n) },
      reason: 'laptop lost',
      issuedAt: NOW,
    });
  const ofNode = (node = member, by = authority) =>
    signRevocation(by, { subject: { kind: 'node', node: node.id }, reason: '', issuedAt: NOW });

  test('of a certificate end it, with the reason, but not another certificate', () => {
    const trust = store();
    expect(trust.addRevocation(ofSerial(1))).toBe('new');
    const verdict = trust.judge(withCertificate(certify(authority, member)), NOW);
    expect(verdict).toMatchObject({ ok: false, reason: 'revoked' });
    expect(verdict).toHaveProperty('detail', expect.stringContaining('laptop lost'));
    const renewed = certify(authority, member, { serial: serial(2) });
    expect(reasonOf(trust, withCertificate(renewed))).toBe('accepted by certificate');
  });

  test('of a node end all certificates of it, and trust in its key', () => {
    const trust = trustStore([authorityKey(authority), nodeKey(member)]);
    expect(trust.addRevocation(ofNode())).toBe('new');
    expect(reasonOf(trust, withCertificate(certify(authority, member)))).toBe('revoked');
    expect(reasonOf(trust, record(member))).toBe('revoked');
  });

  test('of one authority say nothing of another one’s certificates', () => {
    const trust = trustStore([authorityKey(authority), authorityKey(issuer)]);
    expect(trust.addRevocation(ofSerial(1, issuer))).toBe('new');
    expect(trust.addRevocation(ofNode(member, issuer))).toBe('new');
    const claimed = withCertificate(certify(authority, member));
    expect(reasonOf(trust, claimed)).toBe('accepted by certificate');
  });

  test('by no trusted authority, unsigned or changed have no effect', () => {
    const trust = trustStore([authorityKey(authority), nodeKey(stranger)]);
    const unsigned = ofNode();
    unsigned.fill(0, 0, 64);
    const changed = ofSerial(2);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    expect(trust.addRevocation(ofNode(member, stranger))).toBe('foreign');
    expect(trust.addRevocation(ofNode(member, member))).toBe('foreign');
    expect(trust.addRevocation(unsigned)).toBe('bad');
    expect(trust.addRevocation(changed)).toBe('bad');
    expect(trust.addRevocation(new Uint8Array(10_000))).toBe('bad');
    expect(trust.addRevocation(hex(''))).toBe('bad');
    expect([...trust.revocations()]).toEqual([]);
    const claimed = withCertificate(certify(authority, member));
    expect(reasonOf(trust, claimed)).toBe('accepted by certificate');
  });

  test('are kept once each, without a limit, and given to the next store', () => {
    const trust = store();
    const all: Uint8Array[] = [];
    const read = (bytes: Uint8Array) => Buffer.from(bytes); // as from a file
    for (let i = 0; i < 300; i++) {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setUint32(0, i);
      const subject = { kind: 'certificate', serial: bytes } as const;
      all.push(signRevocation(authority, { subject, reason: '', issuedAt: NOW }));
    }
    for (const revocation of all) {
      const bytes = read(revocation);
      expect(trust.addRevocation(bytes)).toBe('new');
      bytes.fill(0);
    }
    for (const revocation of all) expect(trust.addRevocation(revocation)).toBe('known');
    expect([...trust.revocations()]).toEqual(all);
    const next = trustStore([authorityKey(authority)], [...trust.revocations(), hex('00')]);
    expect([...next.revocations()]).toEqual(all);
    const first = certify(authority, member, { serial: new Uint8Array(16) });
    expect(reasonOf(next, withCertificate(first))).toBe('revoked');
    expect(next.counters()).toMatchObject({ 'revocation-new': 300, 'revocation-bad': 1 });
  });

  test('do not open what nothing trusts: the last key revoked, or an empty store', () => {
    const trust = store();
    trust.addRevocation(ofNode(stranger));
    expect(reasonOf(trust, record(stranger))).toBe('unknown');
  });
});

describe('expiry', () => {
  const until = (seconds: number) =>
    withCertificate(certify(authority, member, { notBefore: 1, notAfter: seconds }));

  test('is warned of at 30, 7 and 1 days, once each', () => {
    const trust = store();
    const end = NOW + 90 * DAY;
    trust.judge(until(end), NOW);
    const warned = (seconds: number) => trust.expiryWarnings(seconds).map(({ days }) => days);
    expect(warned(end - 30 * DAY - 1)).toEqual([]);
    expect(warned(end - 30 * DAY)).toEqual([30]);
    expect(warned(end - 29 * DAY)).toEqual([]);
    expect(warned(end - 7 * DAY)).toEqual([7]);
    trust.judge(until(end), end - 6 * DAY);
    expect(warned(end - 6 * DAY)).toEqual([]);
    expect(trust.expiryWarnings(end - DAY)).toEqual([
      { id: member.id, name: 'shop', days: 1, notAfter: end },
    ]);
    expect(warned(end)).toEqual([]);
  });

  test('is warned of at once if it is near, and begins anew with a new certificate', () => {
    const trust = store();
    trust.judge(until(NOW + 3 * DAY), NOW);
    expect(trust.expiryWarnings(NOW)).toMatchObject([{ days: 7 }]);
    trust.judge(until(NOW + 60 * DAY), NOW);
    expect(trust.expiryWarnings(NOW)).toEqual([]);
    expect(trust.expiryWarnings(NOW + 40 * DAY)).toMatchObject([{ days: 30 }]);
  });
});

test('verdicts are counted by outcome', () => {
  const trust = trustStore([authorityKey(authority), nodeKey(stranger)]);
  trust.judge(record(stranger), NOW);
  trust.judge(withCertificate(certify(authority, member)), NOW);
  trust.judge(record(member), NOW);
  trust.judge(record(member), NOW);
  expect(trust.counters()).toEqual({
    'accepted-key': 1,
    'accepted-certificate': 1,
    'refused-unknown': 2,
  });
  const before = { ...trust.counters() };
  expect(trust.assess(record(member), NOW)).toEqual(trust.judge(record(member), NOW));
  const refused = before['refused-unknown'] ?? 0;
  expect(trust.counters()).toEqual({ ...before, 'refused-unknown': refused + 1 });
  expect([...trust.nodes()].map(({ id }) => id)).toEqual([stranger.id]);
  expect([...trust.authorities()].map(({ id }) => id)).toEqual([authority.id]);
});
