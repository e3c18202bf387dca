import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../test/support/wg.js';
import { formatPrefix, parsePrefix } from '../core/address.js';
import type { Prefix } from '../core/types.js';
import { ensureConfig, foundMesh } from './enrol.js';
import { createMeshCrypto } from './mesh-crypto.js';
import { createPlainDevice, deviceConfig, withDevice } from './plain-device.js';
import { loadSettings, type NodePaths } from './settings.js';
import { StateStore } from './state-store.js';

const crypto = await createMeshCrypto();
const NOW = 1_800_000_000;

let directory: string;
let paths: NodePaths;
let store: StateStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
  const path = (name: string) => join(directory, name);
  paths = { config: path('weft.conf'), state: path('state'), run: path('run'), uapi: path('uapi') };
  store = new StateStore(paths.state);
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

const V4 = prefix('10.86.0.0/16');

function found(options: { authority?: boolean; routes?: Prefix[]; force?: boolean } = {}): void {
  const { authority = true, routes = [], force = false } = options;
  const rest = { v4Prefix: V4, mesh: null, certificateSeconds: 86_400, force };
  foundMesh(store, crypto, seededRandom(1), { name: 'a', authority, routes, ...rest }, NOW);
  ensureConfig(paths, { device: 'weft0', listenPort: 7, name: 'a', announce: [] });
}

const configure = (text: string) => writeFileSync(paths.config, text);

describe('settings', () => {
  test('are complete after init', () => {
    found();
    const settings = loadSettings(paths);
    expect(settings.name).toBe('a');
    expect(settings.certificate?.name).toBe('a');
    expect(settings.trustedKeys).toMatchObject([{ kind: 'authority' }]);
    expect(settings.routes).toEqual([]);
  });

  test('of a mesh that was made by force trust nothing of the one before', () => {
    found();
    const before = loadSettings(paths);
    store.writeTrusted('friend', `node ${'ab'.repeat(32)}\n`);
    store.writeBytes('invites', Uint8Array.of(1));
    store.writeBytes('members', Uint8Array.of(1));
    found({ force: true });
    const { trustedKeys } = loadSettings(paths);
    expect(trustedKeys.map(({ kind }) => kind)).toEqual(['authority']);
    expect(trustedKeys[0]?.id).not.toBe(before.trustedKeys[0]?.id);
    expect([store.readBytes('invites'), store.readBytes('members')]).toEqual([null, null]);
  });

  test('are missing before it, and say how to get them', () => {
    expect(() => loadSettings(paths)).toThrowError(/weft init.*weft join/);
    configure('');
    expect(() => loadSettings(paths)).toThrowError(/belongs to no mesh/);
  });

  test('have the name of the certificate', () => {
    found();
    configure('');
    expect(loadSettings(paths).name).toBe('a');
    configure('[Mesh]\nName = b\n');
    expect(() => loadSettings(paths)).toThrowError(
      /weft\.conf:2: Name = b, but the certificate is of a/,
    );
  });

  test('offer routes that the certificate covers, and refuse others', () => {
    found({ routes: [prefix('192.168.0.0/16')] });
    configure('[Mesh]\nRoute = 192.168.7.0/24\n');
    expect(loadSettings(paths).routes.map(formatPrefix)).toEqual(['192.168.7.0/24']);
    configure('[Mesh]\nRoute = 172.16.0.0/12\n');
    expect(() => loadSettings(paths)).toThrowError(
      /:2: Route 172\.16\.0\.0\/12 is not in this node's/,
    );
  });

  test('leave routes to the others where there is no certificate', () => {
    found({ authority: false });
    configure('[Mesh]\nRoute = 172.16.0.0/12\n');
    expect(loadSettings(paths).routes.map(formatPrefix)).toEqual(['172.16.0.0/12']);
  });

  test('stop at a trust file that is wrong', () => {
    found();
    store.writeTrusted('x', 'nonsense');
    expect(() => loadSettings(paths)).toThrowError(/x\.pub:1: /);
    mkdirSync(join(paths.state, 'trusted.d', 'dir.pub'));
    expect(() => loadSettings(paths)).toThrowError();
  });
});

describe('a plain device', () => {
  test('has keys and a free address, and both ends fit', () => {
    found();
    const device = createPlainDevice(crypto, 'phone', V4, []);
    configure(withDevice('[Mesh]\nName = a\n', 'weft.conf', device));
    const settings = loadSettings(paths);
    expect(settings.config.peers).toMatchObject([{ name: 'phone', publicKey: device.publicKey }]);
    // offered to the others, since the first node's certificate covers the mesh
    expect(settings.routes).toEqual([{ address: device.address, length: 32 }]);
    const endpoint = { host: 'fra1.example.com', port: 7 };
    const text = deviceConfig(device, { publicKey: 'KEY', endpoint, networks: [V4] });
    const preshared = Buffer.from(device.presharedKey).toString('base64');
    for (const line of [
      `PrivateKey = ${device.privateKey}`,
      `PresharedKey = ${preshared}`,
      'AllowedIPs = 10.86.0.0/16',
      'Endpoint = fra1.example.com:7',
    ]) {
      expect(text).toContain(line);
    }
    const secret = Buffer.from(device.privateKey, 'base64');
    const derived = crypto.importPrivateKey(new Uint8Array(secret)).publicKey;
    expect(Buffer.from(derived).toString('hex')).toBe(device.publicKey);
  });

  test('has a preshared key, so nobody else may read the file', () => {
    found();
    chmodSync(paths.config, 0o644);
    expect(loadSettings(paths).config.peers).toEqual([]);
    const device = createPlainDevice(crypto, 'phone', V4, []);
    configure(withDevice('', 'weft.conf', device));
    expect(() => loadSettings(paths)).toThrow(`can be read by others: chmod 600 ${paths.config}`);
    chmodSync(paths.config, 0o600);
    expect(loadSettings(paths).config.peers).toHaveLength(1);
  });

  test('does not get an address that is taken', () => {
    const small = prefix('10.86.0.0/30'); // .2 alone is usable
    const address = createPlainDevice(crypto, 'x', small, []).address;
    expect(() => createPlainDevice(crypto, 'x', small, [address])).toThrowError(/full/);
  });

  test('is not made twice under one name', () => {
    const device = createPlainDevice(crypto, 'phone', V4, []);
    const once = withDevice('', 'weft.conf', device);
    expect(() => withDevice(once, 'weft.conf', device)).toThrowError(
      /weft\.conf:\d+: there is a peer phone/,
    );
  });
});
