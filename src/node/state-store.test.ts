import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parsePrefix } from '../core/address.js';
import { type MeshFile, StateStore } from './state-store.js';

let directory: string;
let store: StateStore;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'weft-')), 'state');
  store = new StateStore(directory);
  store.prepare();
});

afterEach(() => {
  rmSync(join(directory, '..'), { recursive: true });
});

const MESH: MeshFile = {
  meshId: new Uint8Array(16).fill(1),
  meshKey: new Uint8Array(32).fill(2),
  v4Prefix: parsePrefix('10.86.0.0/16'),
  seeds: [{ host: '2001:db8::1', port: 7 }],
};

describe('the state directory', () => {
  test('is private', () => {
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    store.createSeed('identity', false);
    store.writeMesh(MESH);
    for (const name of ['identity.key', 'mesh.json']) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  test('is no place for what is not a file: a FIFO would be waited for', () => {
    execFileSync('mkfifo', ['-m', '600', join(directory, 'identity.key')]);
    expect(() => store.readSeed('identity')).toThrow(/identity\.key is no file/);
  });

  test('keeps what uplinks have carried', () => {
    expect(store.readUsage()).toEqual(new Map());
    const usage = new Map([['wwan0', { date: '2025-11-21', dayBytes: 5, monthBytes: 7 }]]);
    store.writeUsage(usage);
    expect(store.readUsage()).toEqual(usage);
  });

  test.each(['{', '[1]', '{"wwan0": {"date": "2025-11-21", "dayBytes": -1, "monthBytes": 7}}'])(
    'says that what uplinks have carried is damaged: %s',
    (text) => {
      writeFileSync(store.path('usage.json'), text);
      expect(() => store.readUsage()).toThrow('usage.json is damaged: remove it to count anew');
    },
  );

  test('gives back what was kept', () => {
    const seed = store.createSeed('identity', false);
    expect(store.readSeed('identity')).toEqual(seed);
    expect(store.readSeed('authority')).toBeNull();
    expect(store.readMesh()).toBeNull();
    store.writeMesh(MESH);
    expect(store.readMesh()).toEqual(MESH);
    store.writeMesh({ ...MESH, v4Prefix: null });
    expect(store.readMesh()?.v4Prefix).toBeNull();
    expect(store.readCertificate()).toEqual(new Uint8Array(0));
    store.writeCertificate(Uint8Array.of(1, 2, 3));
    expect(store.readCertificate()).toEqual(Uint8Array.of(1, 2, 3));
    store.writeRevocations([Uint8Array.of(1), Uint8Array.of(2)]);
    expect(store.readRevocations()).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
    store.writeIssued(Uint8Array.of(9), Uint8Array.of(3));
    expect(store.readIssued()).toEqual([Uint8Array.of(3)]);
    expect(store.readBytes('members')).toBeNull();
    store.writeBytes('members', Uint8Array.of(5));
    expect(store.readBytes('members')).toEqual(Uint8Array.of(5));
  });

  test('reads keys of trusted.d in order, and nothing else there', () => {
    store.writeTrusted('b', 'two');
    store.writeTrusted('a', 'one');
    writeFileSync(store.path('trusted.d/README'), 'no key');
    expect(store.readTrusted().map(({ text }) => text)).toEqual(['one', 'two']);
    store.removeTrusted('a');
    expect(store.readTrusted()).toEqual([{ fileName: store.trustedPath('b'), text: 'two' }]);
  });

  test('fails closed: a trust store that cannot be read is no empty one', () => {
    rmSync(store.path('trusted.d'), { recursive: true });
    expect(() => store.readTrusted()).toThrowError(/no trust without it/);
  });

  test('keeps an identity unless forced', () => {
    const seed = store.createSeed('identity', false);
    expect(() => store.createSeed('identity', false)).toThrowError(/--force/);
    expect(store.readSeed('identity')).toEqual(seed);
    expect(store.createSeed('identity', true)).not.toEqual(seed);
  });

  test('refuses a key that others can read', () => {
    store.createSeed('identity', false);
    chmodSync(store.seedPath('identity'), 0o640);
    expect(() => store.readSeed('identity')).toThrowError(/chmod 600/);
  });

  test.each([
    ['mesh.json', () => store.readMesh()],
    ['members', () => store.readBytes('members')],
    ['invites', () => store.readBytes('invites')],
  ])('refuses %s when others can read it', (name, read) => {
    store.writeMesh(MESH);
    for (const kind of ['members', 'invites'] as const) store.writeBytes(kind, Uint8Array.of(1));
    expect(read()).not.toBeNull();
    chmodSync(store.path(name), 0o644);
    expect(read).toThrowError(/can be read by others: chmod 600/);
  });

  test('refuses trust that others can write', () => {
    store.writeTrusted('a', 'one');
    chmodSync(store.trustedPath('a'), 0o664);
    expect(() => store.readTrusted()).toThrowError(/a\.pub can be written by others: chmod 644/);
    chmodSync(store.trustedPath('a'), 0o644);
    chmodSync(store.path('trusted.d'), 0o777);
    expect(() => store.readTrusted()).toThrowError(
      /trusted\.d can be written by others: chmod go-w/,
    );
  });

  test.each([
    ['identity.key', () => store.readSeed('identity')],
    ['certificate', () => store.readCertificate()],
    ['mesh.json', () => store.readMesh()],
    ['trusted.d/a.pub', () => store.readTrusted()],
  ])('reads no more of %s than makes sense', (name, read) => {
    writeFileSync(store.path(name), 'A'.repeat(65_537), { mode: 0o600 });
    expect(read).toThrowError(/has 65537 bytes, and at most 65536 make sense/);
  });

  test.each(['', 'not base64!', 'AAAA'])('takes %j for damage, not for a key', (text) => {
    writeFileSync(store.seedPath('identity'), text, { mode: 0o600 });
    expect(() => store.readSeed('identity')).toThrowError(/damaged/);
  });

  test.each(['{', '[]', '{"meshId":"x"}', '{"meshId":"AAAAAAAAAAAAAAAAAAAAAA==","meshKey":1}'])(
    'takes %j for damage, not for a mesh',
    (text) => {
      writeFileSync(store.path('mesh.json'), text, { mode: 0o600 });
      expect(() => store.readMesh()).toThrowError(/damaged/);
    },
  );
});
