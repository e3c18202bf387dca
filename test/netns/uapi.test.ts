// The configuration protocol on its socket: what `wg` never sends, and the error numbers.
import { connect } from 'node:net';
import { describe, expect } from 'vitest';
import { type Network, test } from './harness.js';
import { generateKeyPair, hex, randomKey } from './keys.js';
import { pair } from './topology.js';
import { expectPing } from './traffic.js';
import { socketPath, uapi, WireGuardNode } from './wireguard-node.js';

async function start(net: Network): Promise<WireGuardNode> {
  return WireGuardNode.start(net, await net.namespace('a'));
}

describe('UAPI', () => {
  test('answers bad values with their error numbers', async ({ net }) => {
    const node = await start(net);
    const key = hex(randomKey());
    const cases: readonly [request: string, errno: number][] = [
      ['private_key=00', -22],
      [`private_key=${'zz'.repeat(32)}`, -22],
      [`private_key=${'00'.repeat(33)}`, -22],
      ['listen_port=65536', -22],
      ['listen_port=-1', -22],
      ['listen_port=x', -22],
      ['fwmark=4294967296', -22],
      ['replace_peers=false', -22],
      ['no_such_key=1', -22],
      ['a line without an equals sign', -71],
      ['public_key=12', -22],
      [`public_key=${key}\npreshared_key=12`, -22],
      [`public_key=${key}\nendpoint=example.invalid:1`, -22],
      [`public_key=${key}\nendpoint=192.0.2.1`, -22],
      [`public_key=${key}\nendpoint=192.0.2.1:65536`, -22],
      [`public_key=${key}\nendpoint=2001:db8::1`, -22],
      [`public_key=${key}\npersistent_keepalive_interval=65536`, -22],
      [`public_key=${key}\nallowed_ip=10.0.0.0/33`, -22],
      [`public_key=${key}\nallowed_ip=10.0.0/8`, -22],
      [`public_key=${key}\nallowed_ip=fd00::/129`, -22],
      [`public_key=${key}\nprotocol_version=2`, -22],
      [`public_key=${key}\nremove=false`, -22],
      [`public_key=${key}\nupdate_only=false`, -22],
      [`public_key=${key}\nreplace_allowed_ips=false`, -22],
      [`public_key=${key}\nno_such_key=1`, -22],
      [`public_key=${key}\nlisten_port=5`, -22],
    ];
    for (const [request, errno] of cases) {
      expect([request, await node.uapi(`set=1\n${request}\n\n`)]).toEqual([
        request,
        `errno=${errno}\n\n`,
      ]);
    }
    expect(await node.uapi('set=1\n\n')).toBe('errno=0\n\n');
  });

  test('answers -98 for a port in use', async ({ net }) => {
    const node = await start(net);
    const other = await WireGuardNode.start(net, node.namespace);
    for (const each of [node, other]) await each.up();
    expect(await other.uapi('set=1\nlisten_port=4001\n\n')).toBe('errno=0\n\n');
    expect(await node.uapi('set=1\nlisten_port=4001\n\n')).toBe('errno=-98\n\n');
  });

  test('closes the connection on an unknown operation', async ({ net }) => {
    const node = await start(net);
    for (const request of [
      'dance=1\n\n',
      'get=2\n\n',
      'set=0\n\n',
      '\n\n\n',
      'GET / HTTP/1.1\r\n\r\n',
    ]) {
      expect([request, await node.uapi(request)]).toEqual([request, '']);
    }
    expect(await node.uapi('get=1\n\n')).toMatch(/errno=0\n\n$/);
  });

  test('answers pipelined requests in order', async ({ net }) => {
    const node = await start(net);
    const peer = hex(randomKey());
    const requests = `get=1\n\nset=1\npublic_key=${peer}\n\nget=1\n\nset=1\nbad\n\nget=1\n\n`;
    const answers = (await node.uapi(requests, 5)).split('\n\n');
    expect(answers[0]).not.toContain('public_key');
    expect(answers[1]).toBe('errno=0');
    expect(answers[2]).toContain(`public_key=${peer}`);
    expect(answers[3]).toBe('errno=-71');
    expect(answers[4]).toContain(`public_key=${peer}`);
  });

  test('accepts a request in single bytes', async ({ net }) => {
    const node = await start(net);
    const text = await new Promise<string>((resolve, reject) => {
      let answer = '';
      const socket = connect(socketPath(node.interfaceName), async () => {
        for (const byte of 'set=1\nfwmark=7\n\nget=1\n\n') {
          await new Promise((written) => socket.write(byte, written));
        }
      });
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        answer += chunk.toString();
        if (answer.split('\n\n').length > 2) {
          socket.destroy();
          resolve(answer);
        }
      });
    });
    expect(text).toMatch(/^errno=0\n\n/);
    expect(text).toContain('fwmark=7\n');
  });

  test('keeps the lines before a bad one', async ({ net }) => {
    const node = await start(net);
    const peer = hex(randomKey());
    const answer = await node.uapi(
      `set=1\nfwmark=9\npublic_key=${peer}\nallowed_ip=10.0.0.0/8\nallowed_ip=bad\nallowed_ip=11.0.0.0/8\n\n`,
    );
    expect(answer).toBe('errno=-22\n\n');
    const state = await node.uapi('get=1\n\n');
    expect(state).toContain('fwmark=9\n');
    expect(state).toContain('allowed_ip=10.0.0.0/8\n');
    expect(state).not.toContain('11.0.0.0');
  });

  test('gives every field of a peer', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    await a.node.set('fwmark', '5', 'peer', b.node.publicKey, 'persistent-keepalive', '25');
    const lines = (await a.node.uapi('get=1\n\n')).trimEnd().split('\n');
    const value = (name: string) =>
      lines.find((line) => line.startsWith(`${name}=`))?.split('=')[1];
    expect(value('private_key')).toBe(hex(a.node.keys.privateKey));
    expect(value('listen_port')).toBe('1001');
    expect(value('fwmark')).toBe('5');
    expect(value('public_key')).toBe(hex(b.node.publicKey));
    expect(value('preshared_key')).toBe('00'.repeat(32));
    expect(value('protocol_version')).toBe('1');
    expect(value('endpoint')).toBe(b.endpoint4);
    expect(Number(value('last_handshake_time_sec'))).toBeGreaterThan(1_700_000_000);
    expect(Number(value('last_handshake_time_nsec'))).toBeLessThan(1e9);
    expect(Number(value('tx_bytes'))).toBeGreaterThan(0);
    expect(Number(value('rx_bytes'))).toBeGreaterThan(0);
    expect(value('persistent_keepalive_interval')).toBe('25');
    expect(lines).toContain(`allowed_ip=${b.inner4}/32`);
    expect(lines).toContain(`allowed_ip=${b.inner6}/128`);
    expect(lines.at(-1)).toBe('errno=0');
    expect(lines.findIndex((line) => line.startsWith('public_key'))).toBeGreaterThan(
      lines.findIndex((line) => line.startsWith('fwmark')),
    );
  });

  test('edits peers and their allowed IPs', async ({ net }) => {
    const node = await start(net);
    const [one, two, three] = [hex(randomKey()), hex(randomKey()), hex(randomKey())];
    const set = async (text: string) => {
      expect(await node.uapi(`set=1\n${text}\n\n`)).toBe('errno=0\n\n');
      return node.uapi('get=1\n\n');
    };
    let state = await set(`public_key=${one}\nallowed_ip=10.1.2.3/8\nallowed_ip=fd00::1/64`);
    expect(state).toContain('allowed_ip=10.0.0.0/8\n'); // host bits are masked
    expect(state).toContain('allowed_ip=fd00::/64\n');
    state = await set(`public_key=${two}\nallowed_ip=10.0.0.0/8`);
    expect(state.match(/allowed_ip=10\.0\.0\.0\/8/g)).toHaveLength(1);
    expect(state.indexOf('allowed_ip=10.0.0.0/8')).toBeGreaterThan(state.indexOf(two));
    state = await set(`public_key=${two}\nreplace_allowed_ips=true\nallowed_ip=0.0.0.0/0`);
    expect(state).not.toContain('10.0.0.0/8');
    state = await set(
      `public_key=${three}\nupdate_only=true\nallowed_ip=0.0.0.0/0\nendpoint=1.2.3.4:5`,
    );
    expect(state).not.toContain(three);
    expect(state.indexOf('allowed_ip=0.0.0.0/0')).toBeGreaterThan(state.indexOf(two));
    state = await set(`public_key=${one}\nremove=true`);
    expect(state).not.toContain(one);
    state = await set(`public_key=${one}\nremove=true\nallowed_ip=12.0.0.0/8`); // not there: nothing happens
    expect(state).not.toContain('12.0.0.0');
    state = await set(`replace_peers=true\npublic_key=${one}\npublic_key=${three}`);
    expect(state).not.toContain(two);
    expect(state.match(/public_key/g)).toHaveLength(2);
  });

  test('removes an allowed IP by a minus sign', async ({ net }) => {
    const node = await start(net);
    const [one, two] = [hex(randomKey()), hex(randomKey())];
    await node.uapi(`set=1\npublic_key=${one}\nallowed_ip=10.0.0.0/8\nallowed_ip=11.0.0.0/8\n\n`);
    expect(await node.uapi(`set=1\npublic_key=${two}\nallowed_ip=-10.0.0.0/8\n\n`)).toBe(
      'errno=0\n\n',
    );
    expect(await node.uapi('get=1\n\n')).toContain('allowed_ip=10.0.0.0/8');
    expect(await node.uapi(`set=1\npublic_key=${one}\nallowed_ip=-10.0.0.0/8\n\n`)).toBe(
      'errno=0\n\n',
    );
    const state = await node.uapi('get=1\n\n');
    expect(state).not.toContain('10.0.0.0/8');
    expect(state).toContain('allowed_ip=11.0.0.0/8');
  });

  test('serves many clients at once', async ({ net }) => {
    const node = await start(net);
    const path = socketPath(node.interfaceName);
    const idle = connect(path); // never says anything
    const keys = Array.from({ length: 40 }, () => hex(generateKeyPair().publicKey));
    const answers = await Promise.all(
      keys.map((key) =>
        uapi(path, `set=1\npublic_key=${key}\nallowed_ip=10.0.0.0/8\n\nget=1\n\n`, 2),
      ),
    );
    idle.destroy();
    for (const [i, answer] of answers.entries()) expect(answer).toContain(`public_key=${keys[i]}`);
    expect((await node.show('peers')).split('\n')).toHaveLength(40);
  });

  test('survives clients that leave in the middle', async ({ net }) => {
    const node = await start(net);
    const path = socketPath(node.interfaceName);
    for (const request of ['', 'g', 'get=1', 'set=1\npublic_key=', 'get=1\n\n'.repeat(200)]) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(path, () => socket.write(request, () => socket.destroy()));
        socket.on('close', () => resolve());
        socket.on('error', reject);
      });
    }
    expect(await node.uapi('get=1\n\n')).toMatch(/errno=0\n\n$/);
  });
});
