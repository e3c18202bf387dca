// Configurations as `wg` reads and writes them: large ones, and each value set, shown and unset.
import { describe, expect } from 'vitest';
import { test } from './harness.js';
import { generateKeyPair, randomKey } from './keys.js';
import { WireGuardNode } from './wireguard-node.js';

describe('configuration', () => {
  test('takes 1,000 peers and 100,000 allowed IPs', { timeout: 60_000 }, async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const lines = ['[Interface]', `PrivateKey=${node.keys.privateKey}`];
    for (let peer = 0; peer < 1000; peer++) {
      lines.push('[Peer]', `PublicKey=${randomKey()}`, `Endpoint=192.0.2.1:${peer + 1}`);
      const prefixes: string[] = [];
      for (let i = 0; i < 50; i++) {
        const n = peer * 50 + i;
        prefixes.push(`10.${n >> 8}.${n & 255}.0/24`, `fd00:${n.toString(16)}::/64`);
      }
      lines.push(`AllowedIPs=${prefixes.join(',')}`);
    }
    const begun = performance.now();
    await node.setConfiguration(`${lines.join('\n')}\n`);
    const configured = performance.now();
    const shown = await node.show('allowed-ips');
    const done = performance.now();
    console.log(
      `1,000 peers, 100,000 allowed IPs: wg setconf ${Math.round(configured - begun)} ms, ` +
        `wg show ${Math.round(done - configured)} ms`,
    );
    const rows = shown.split('\n');
    expect(rows).toHaveLength(1000);
    expect(rows.every((row) => row.split(/\s+/).length === 101)).toBe(true);
  });

  test('takes one peer with 130,560 allowed IPs', { timeout: 60_000 }, async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const lines = ['[Interface]', '[Peer]', `PublicKey=${randomKey()}`];
    for (let a = 1; a <= 255; a++) {
      for (let b = 0; b <= 255; b++) {
        lines.push(`AllowedIPs=${a}.${b}.0.0/16,${a}::${b.toString(16)}/128`);
      }
    }
    await node.setConfiguration(`${lines.join('\n')}\n`);
    expect((await node.show('allowed-ips')).split(/\s+/)).toHaveLength(255 * 256 * 2 + 1);
  });

  test('gives a prefix that many peers claim to the last', async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const keys = Array.from({ length: 40 }, randomKey);
    const lines = ['[Interface]'];
    for (const key of keys) lines.push('[Peer]', `PublicKey=${key}`, 'AllowedIPs=10.0.0.0/8');
    await node.setConfiguration(`${lines.join('\n')}\n`);
    for (const key of keys.slice(0, -1)) {
      expect(await node.showPeer('allowed-ips', key)).toEqual(['(none)']);
    }
    expect(await node.showPeer('allowed-ips', keys.at(-1) ?? '')).toEqual(['10.0.0.0/8']);
  });

  test('shows, sets and unsets every value', async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const peer = generateKeyPair().publicKey;
    const psk = randomKey();
    await node.set(
      'private-key',
      net.file(node.keys.privateKey),
      'listen-port',
      '4321',
      'fwmark',
      '0x1234',
      'peer',
      peer,
      'preshared-key',
      net.file(psk),
      'endpoint',
      '[2001:db8::1]:51820',
      'persistent-keepalive',
      '25',
      'allowed-ips',
      '10.0.0.0/8,fd00::/8',
    );
    expect(await node.show('private-key')).toBe(node.keys.privateKey);
    expect(await node.show('public-key')).toBe(node.publicKey);
    expect(await node.show('listen-port')).toBe('4321');
    expect(await node.show('fwmark')).toBe('0x1234');
    expect(await node.showPeer('preshared-keys', peer)).toEqual([psk]);
    expect(await node.endpointOf(peer)).toBe('[2001:db8::1]:51820');
    expect(await node.showPeer('persistent-keepalive', peer)).toEqual(['25']);
    expect((await node.showPeer('allowed-ips', peer)).sort()).toEqual(['10.0.0.0/8', 'fd00::/8']);
    expect(await node.showPeer('latest-handshakes', peer)).toEqual(['0']);
    expect(await node.showPeer('transfer', peer)).toEqual(['0', '0']);
    await node.set(
      'private-key',
      '/dev/null',
      'fwmark',
      'off',
      'peer',
      peer,
      'preshared-key',
      '/dev/null',
      'persistent-keepalive',
      'off',
      'allowed-ips',
      '',
    );
    expect(await node.show('private-key')).toBe('(none)');
    expect(await node.show('fwmark')).toBe('off');
    expect(await node.showPeer('preshared-keys', peer)).toEqual(['(none)']);
    expect(await node.showPeer('persistent-keepalive', peer)).toEqual(['off']);
    expect(await node.showPeer('allowed-ips', peer)).toEqual(['(none)']);
    await node.set('peer', peer, 'remove');
    expect(await node.show('peers')).toBe('');
  });

  test('comes back unchanged from showconf, setconf and syncconf', async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const peers = Array.from({ length: 30 }, (_, i) => {
      return `[Peer]\nPublicKey = ${randomKey()}\nAllowedIPs = 10.${i}.0.0/16, fd00:${i}::/32\n`;
    });
    const text = `[Interface]\nListenPort = 4322\nPrivateKey = ${node.keys.privateKey}\n${peers.join('')}`;
    await node.setConfiguration(text);
    const shown = async () => {
      const conf = await node.namespace.check(['wg', 'showconf', node.interfaceName]);
      return conf
        .split('[Peer]')
        .map((part) => part.trim())
        .sort();
    };
    const first = await shown();
    expect(first).toHaveLength(31);
    await node.setConfiguration(await node.namespace.check(['wg', 'showconf', node.interfaceName]));
    expect(await shown()).toEqual(first);
    const without = net.file(text.slice(0, text.lastIndexOf('[Peer]')));
    await node.namespace.check(['wg', 'syncconf', node.interfaceName, without]);
    expect(await shown()).toHaveLength(30);
  });

  test('clamps a private key', async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const bytes = Buffer.alloc(32, 0xff);
    await node.setPrivateKey(bytes.toString('base64'));
    bytes[0] = 0xf8;
    bytes[31] = 0x7f;
    expect(await node.show('private-key')).toBe(bytes.toString('base64'));
  });

  test('is listed by wg show interfaces', async ({ net }) => {
    const node = await WireGuardNode.start(net, await net.namespace('a'));
    const names = (await node.namespace.check(['wg', 'show', 'interfaces'])).split(/\s+/);
    expect(names).toContain(node.interfaceName);
    expect((await node.namespace.run(['wg', 'show', 'doesnotexist'])).code).not.toBe(0);
  });
});
