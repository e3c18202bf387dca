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

  test.each(['', 'not base64!', 'AAAA'])('takes %j for damage, not for a key', (text) => {
    writeFileSync(store.seedPath('identity'), text, { mode: 0o600 });
    expect(() => store.readSeed('identity')).toThrowError(/damaged/);
  });

  test.each(['{', '[]', '{"meshId":"x"}', '{"meshId":"AAAAAAAAAAAAAAAAAAAAAA==","meshKey":1}'])(
    'takes %j for damage, not for a mesh',
    (text) => {
      writeFileSync(store.path('mesh.json'), text);
      expect(() => store.readMesh()).toThrowError(/damaged/);
    },
  );
});
