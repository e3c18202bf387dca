import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeNode, FakeWorld } from '../../test/support/fake-node.js';
import { UapiClient } from '../../test/support/uapi-client.js';
import { UapiServer } from './uapi-server.js';
import { UapiSession } from './uapi-session.js';

const KEY_A = 'a1'.repeat(32);
const KEY_B = 'b2'.repeat(32);
const PEER_DEFAULTS = [
  `preshared_key=${'0'.repeat(64)}`,
  'protocol_version=1',
  'last_handshake_time_sec=0',
  'last_handshake_time_nsec=0',
  'tx_bytes=0',
  'rx_bytes=0',
  'persistent_keepalive_interval=0',
];

let directory: string;
let world: FakeWorld;
let node: FakeNode;
let server: UapiServer;
let client: UapiClient;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weft-'));
  world = new FakeWorld();
  node = new FakeNode(world, 1);
  node.driver.perform((device, nowMs) => device.setPrivateKey(nowMs, null));
  const path = join(directory, 'fake0.sock');
  server = await UapiServer.open({
    path,
    onConnection: (socket) => {
      new UapiSession(socket, node.driver, node.logger);
    },
    onRemoved: () => {},
  });
  client = await UapiClient.open(path);
});

afterEach(async () => {
  client.close();
  await server.close();
  rmSync(directory, { recursive: true });
});

function set(...lines: string[]): Promise<string | null> {
  return client.request(`set=1\n${lines.map((line) => `${line}\n`).join('')}\n`);
}

async function get(): Promise<string[] | undefined> {
  return (await client.request('get=1\n\n'))?.split('\n');
}

function allowedIpsOf(key: string): string[] {
  const peer = [...node.device.peers()].find(({ publicKey }) => publicKey === key);
  return (peer?.allowedIps() ?? []).map(({ address, length }) => `${address.join('.')}/${length}`);
}

describe('get', () => {
  test('of a fresh interface is nothing but success', async () => {
    expect(await get()).toEqual(['errno=0']);
  });

  test('gives back what was set, in wireguard-go’s order', async () => {
    const privateKey = `40${'11'.repeat(30)}50`;
    const lines = [
      `private_key=${privateKey}`,
      'listen_port=51820',
      'fwmark=32',
      `public_key=${KEY_A}`,
      `preshared_key=${KEY_B}`,
      'protocol_version=1',
      'endpoint=192.0.2.9:1234',
      'persistent_keepalive_interval=25',
      'allowed_ip=10.0.0.0/8',
      'allowed_ip=2001:db8::/32',
    ];
    expect(await set(...lines)).toBe('errno=0');
    expect(await get()).toEqual([
      ...lines.slice(0, 7),
      'last_handshake_time_sec=0',
      'last_handshake_time_nsec=0',
      'tx_bytes=0',
      'rx_bytes=0',
      'persistent_keepalive_interval=25',
      ...lines.slice(8),
      'errno=0',
    ]);
  });

  test('shows the port that was chosen', async () => {
    node.dataPlane.setLink(true);
    await world.scheduler.settle();
    expect(await set('listen_port=0')).toBe('errno=0');
    expect(await get()).toEqual([`listen_port=${node.driver.listenPort}`, 'errno=0']);
  });

  test('with trailing characters is -22, and the end', async () => {
    expect(await client.request('get=1\nx\n')).toBe('errno=-22');
    expect(await client.answer()).toBeNull();
  });
});

describe('set answers', () => {
  test.each([
    ['0 to nothing', [], 0],
    ['-22 to a bad private key', ['private_key=00'], -22],
    ['-22 to an unknown key', ['nonsense=1'], -22],
    ['-22 to a peer’s key before any peer', ['allowed_ip=10.0.0.0/8'], -22],
    ['-22 to a bad value of a peer', [`public_key=${KEY_A}`, 'allowed_ip=10.0.0.0'], -22],
    ['-22 to a device’s key after a peer', [`public_key=${KEY_A}`, 'listen_port=1'], -22],
    ['-22 to another protocol version', [`public_key=${KEY_A}`, 'protocol_version=2'], -22],
    ['-71 to a line without =', ['listen_port'], -71],
  ])('%s', async (_, lines, errno) => {
    expect(await set(...lines)).toBe(`errno=${errno}`);
    // and goes on with the next operation
    expect((await get())?.at(-1)).toBe('errno=0');
  });

  test('-98 to a port in use', async () => {
    const other = new FakeNode(world, 2, 1);
    for (const each of [node, other]) each.dataPlane.setLink(true);
    await world.scheduler.settle();
    const port = node.driver.listenPort;
    expect(await set(`listen_port=${other.driver.listenPort}`)).toBe('errno=-98');
    expect(await get()).toEqual([`listen_port=${port}`, 'errno=0']);
  });

  test('-5 to a line without end, and ends', async () => {
    client.send('set=1\n');
    client.send(`private_key=${'0'.repeat(100_000)}`);
    expect(await client.answer()).toBe('errno=-5');
    expect(await client.answer()).toBeNull();
  });

  test('-55 to what should not happen', async () => {
    node.dataPlane.setFirewallMark = () => {
      throw new TypeError('broken');
    };
    expect(await set('fwmark=1')).toBe('errno=-55');
  });

  test('at once to a bad line, and skips the rest', async () => {
    expect(await client.request('set=1\nlisten_port=x\n')).toBe('errno=-22');
    expect(await client.request('listen_port=5\n\nget=1\n\n')).toBe('errno=0');
  });

  test('what follows a bad line even if the client gave up on it', async () => {
    expect(await client.request('set=1\nlisten_port=x\n')).toBe('errno=-22');
    expect(await client.request('get=1\n\n')).toBe('errno=0');
  });

  test('0 when the client ends its side before the blank line', async () => {
    client.finish('set=1\nlisten_port=7');
    expect(await client.answer()).toBe('errno=0');
    expect(node.driver.listenPort).toBe(7);
    expect(await client.answer()).toBeNull();
  });

  test('never with a secret in the log', async () => {
    await set(`private_key=${KEY_A}x`);
    await set(`public_key=${KEY_A}`, `preshared_key=${KEY_B}x`);
    expect(node.logger.errors).toHaveLength(2);
    expect(JSON.stringify(node.logger.errors)).not.toContain(KEY_A.slice(0, 16));
    expect(JSON.stringify(node.logger.errors)).not.toContain(KEY_B.slice(0, 16));
  });
});

describe('set', () => {
  test('keeps what stands before a bad line', async () => {
    const lines = [`public_key=${KEY_A}`, 'allowed_ip=10.0.0.0/8', 'allowed_ip=bad'];
    expect(await set(...lines)).toBe('errno=-22');
    expect(allowedIpsOf(KEY_A)).toEqual(['10.0.0.0/8']);
  });

  test('accepts carriage returns', async () => {
    expect(await client.request('set=1\nlisten_port=5\r\n\r\n')).toBe('errno=0');
    expect(node.driver.listenPort).toBe(5);
  });

  test('changes allowed IPs in the order of the lines', async () => {
    await set(
      `public_key=${KEY_A}`,
      'allowed_ip=10.0.0.0/8',
      'allowed_ip=-10.0.0.0/8',
      'allowed_ip=10.1.0.0/16',
      'allowed_ip=10.2.0.0/16',
      'allowed_ip=-10.2.0.0/16',
      'allowed_ip=10.2.0.0/16',
    );
    expect(allowedIpsOf(KEY_A)).toEqual(['10.1.0.0/16', '10.2.0.0/16']);
    await set(`public_key=${KEY_A}`, 'replace_allowed_ips=true', 'allowed_ip=10.3.3.3/16');
    expect(allowedIpsOf(KEY_A)).toEqual(['10.3.0.0/16']);
  });

  test('moves an allowed IP to the peer that got it last', async () => {
    await set(
      `public_key=${KEY_A}`,
      'allowed_ip=10.0.0.0/8',
      `public_key=${KEY_B}`,
      'allowed_ip=10.0.0.0/8',
    );
    expect(allowedIpsOf(KEY_A)).toEqual([]);
    expect(allowedIpsOf(KEY_B)).toEqual(['10.0.0.0/8']);
  });

  test('removes peers', async () => {
    await set(`public_key=${KEY_A}`, `public_key=${KEY_B}`);
    expect(node.device.peerCount).toBe(2);
    await set(`public_key=${KEY_A}`, 'remove=true', 'allowed_ip=10.0.0.0/8');
    expect([...node.device.peers()].map(({ publicKey }) => publicKey)).toEqual([KEY_B]);
    await set('replace_peers=true');
    expect(node.device.peerCount).toBe(0);
  });

  test('neither creates nor complains when it removes an unknown peer', async () => {
    expect(await set(`public_key=${KEY_A}`, 'remove=true')).toBe('errno=0');
    expect(node.device.peerCount).toBe(0);
  });

  test('ignores an unknown peer under update_only', async () => {
    const lines = [`public_key=${KEY_A}`, 'update_only=true', 'allowed_ip=10.0.0.0/8'];
    expect(await set(...lines)).toBe('errno=0');
    expect(node.device.peerCount).toBe(0);
    await set(`public_key=${KEY_A}`);
    await set(...lines);
    expect(allowedIpsOf(KEY_A)).toEqual(['10.0.0.0/8']);
    // the values are still checked
    expect(await set(`public_key=${KEY_B}`, 'update_only=true', 'endpoint=bad')).toBe('errno=-22');
  });

  test('forgets a new peer when update_only comes late', async () => {
    await set(`public_key=${KEY_A}`, `preshared_key=${KEY_B}`, 'update_only=true');
    expect(node.device.peerCount).toBe(0);
  });

  test('ignores our own key as a peer', async () => {
    await set(`private_key=${KEY_A}`);
    const own = node.publicKey;
    expect(await set(`public_key=${own}`, 'allowed_ip=10.0.0.0/8')).toBe('errno=0');
    expect(node.device.peerCount).toBe(0);
    expect(await set(`public_key=${own}`, 'allowed_ip=bad')).toBe('errno=-22');
  });

  test('turns keepalives on after the endpoint, whatever the order of the lines', async () => {
    node.dataPlane.setLink(true);
    await world.scheduler.settle();
    await set(
      `private_key=${KEY_B}`,
      `public_key=${KEY_A}`,
      'persistent_keepalive_interval=1',
      'endpoint=192.0.2.7:9',
    );
    await world.scheduler.settle();
    expect(world.network.sent.map(({ bytes }) => bytes.length)).toEqual([148]);
  });

  test('takes a large configuration in pieces, and get gives it back', async () => {
    const lines: string[] = [];
    for (let i = 0; i < 1000; i++) {
      lines.push(`public_key=${i.toString(16).padStart(64, '0')}`);
      for (let j = 0; j < 100; j++)
        lines.push(`allowed_ip=10.${i >> 2}.${(i & 3) * 64 + (j >> 2)}.${(j & 3) * 4}/30`);
    }
    expect(await set(...lines)).toBe('errno=0');
    const shown = await get();
    expect(shown?.filter((line) => line.startsWith('public_key='))).toHaveLength(1000);
    const allowed = (list: readonly string[]) =>
      list.filter((line) => line.startsWith('allowed_ip='));
    expect(new Set(allowed(shown ?? []))).toEqual(new Set(allowed(lines)));
  });
});

describe('a connection', () => {
  test('takes operations one after the other, in any pieces', async () => {
    const text = `set=1\npublic_key=${KEY_A}\n\nget=1\n\nset=1\nbad\n\nget=1\n\n`;
    for (const character of text) client.send(character);
    expect(await client.answer()).toBe('errno=0');
    expect((await client.answer())?.split('\n')).toEqual([
      `public_key=${KEY_A}`,
      ...PEER_DEFAULTS,
      'errno=0',
    ]);
    expect(await client.answer()).toBe('errno=-71');
    expect((await client.answer())?.split('\n').at(-1)).toBe('errno=0');
  });

  test.each(['put=1\n\n', '\n', 'get=2\n\n', 'set=1 \n\n', 'errno=0\n\n'])(
    'ends on %j',
    async (operation) => {
      expect(await client.request(operation)).toBeNull();
    },
  );

  test('ends on an operation without end', async () => {
    client.send('x'.repeat(100_000));
    expect(await client.answer()).toBeNull();
  });

  test('is one of several at a time', async () => {
    const other = await UapiClient.open(join(directory, 'fake0.sock'));
    other.send('set=1\nlisten_port=5\n');
    expect((await get())?.at(-1)).toBe('errno=0');
    expect(await other.request('\n')).toBe('errno=0');
    other.close();
  });

  test('gives the counters as a line of JSON', async () => {
    node.dataPlane.inject(new Uint8Array(3));
    const answer = await client.request('counters=1\n\n');
    expect(JSON.parse(answer ?? '')).toEqual({
      drops: { no_route: 1 },
      engine: {},
      device: node.device.counters(),
    });
  });
});
