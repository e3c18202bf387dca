// The interface as the kernel sees it: up and down, deletion, MTU; and its UDP port.
import { existsSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { test } from './harness.js';
import { generateKeyPair } from './keys.js';
import { until } from './process.js';
import { pair } from './topology.js';
import { expectNoPing, expectPing } from './traffic.js';
import { socketPath, WireGuardNode } from './wireguard-node.js';

describe('interface', () => {
  test('stops on link down and works again on link up', async ({ net }) => {
    const [a, b] = await pair(net);
    const device = a.node.interfaceName;
    await expectPing(a.namespace, b.inner4);
    for (let round = 0; round < 3; round++) {
      await a.namespace.ip(`link set ${device} down`);
      await until('the sockets are closed', async () => {
        return (await a.namespace.check(['ss', '-ulnH', `sport = ${a.port}`])) === '';
      });
      await expectNoPing(b.namespace, a.inner4);
      await a.namespace.ip(`link set ${device} up`);
      // b still has its keys of the session that a forgot, so a must begin.
      await expectPing(a.namespace, b.inner4);
      await expectPing(b.namespace, a.inner4);
    }
  });

  test('ends when the link is deleted', async ({ net }) => {
    const [a] = await pair(net);
    await a.namespace.ip(`link del ${a.node.interfaceName}`);
    expect(await a.node.process.exited()).toBe(0);
    expect(existsSync(socketPath(a.node.interfaceName))).toBe(false);
  });

  test('follows a change of MTU', async ({ net }) => {
    const [a, b] = await pair(net, { mtu: 9000 });
    for (const mtu of [1280, 9000, 1420]) {
      for (const side of [a, b]) {
        await side.namespace.ip(`link set ${side.node.interfaceName} mtu ${mtu}`);
      }
      await expectPing(a.namespace, b.inner4, { count: 3, size: mtu - 28, args: ['-M', 'do'] });
    }
  });

  test('changes its port while packets flow', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    for (const port of [2001, 2002, 2003]) {
      await b.node.set('listen-port', `${port}`);
      expect(await b.node.show('listen-port')).toBe(`${port}`);
      await expectPing(b.namespace, a.inner4, { count: 2 });
      expect(await a.node.endpointOf(b.node.publicKey)).toBe(`10.0.0.2:${port}`);
    }
  });

  test('takes any free port for port 0', async ({ net }) => {
    const [a, b] = await pair(net);
    await a.node.set('listen-port', '0');
    const port = Number(await a.node.show('listen-port'));
    expect(port).toBeGreaterThan(0);
    const sockets = await a.namespace.check(['ss', '-ulnH', `sport = ${port}`]);
    expect(sockets.trim().split('\n')).toHaveLength(2);
    await expectPing(a.namespace, b.inner4);
  });

  test('reports a port in use and keeps the old one', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    const other = await WireGuardNode.start(net, a.namespace);
    await other.set('private-key', net.file(other.keys.privateKey), 'listen-port', '3001');
    await other.up();
    await until('the other node has the port', async () => {
      return (await a.namespace.check(['ss', '-ulnH', 'sport = 3001'])) !== '';
    });
    const refused = await a.node.trySet('listen-port', '3001');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('Address already in use');
    expect(await other.show('listen-port')).toBe('3001');
  });

  test('sends persistent keepalives as soon as it is up', async ({ net }) => {
    const where = await net.namespace('a');
    await net.link(
      [where, 'veth0', '10.0.0.1/24'],
      [await net.namespace('b'), 'veth0', '10.0.0.2/24'],
    );
    const node = await WireGuardNode.start(net, where);
    const peer = generateKeyPair().publicKey;
    await node.set(
      'private-key',
      net.file(node.keys.privateKey),
      'peer',
      peer,
      'endpoint',
      '10.0.0.2:1',
      'persistent-keepalive',
      '1',
    );
    expect((await node.transfer(peer)).tx).toBe(0);
    await node.up();
    await until('an initiation was sent', async () => (await node.transfer(peer)).tx > 0);
  });

  test('sends persistent keepalives when the private key comes after the link', async ({ net }) => {
    const where = await net.namespace('a');
    await net.link(
      [where, 'veth0', '10.0.0.1/24'],
      [await net.namespace('b'), 'veth0', '10.0.0.2/24'],
    );
    const node = await WireGuardNode.start(net, where);
    const peer = generateKeyPair().publicKey;
    await node.set('peer', peer, 'endpoint', '10.0.0.2:1', 'persistent-keepalive', '1');
    await node.up();
    expect((await node.transfer(peer)).tx).toBe(0);
    await node.setPrivateKey(node.keys.privateKey);
    await until('an initiation was sent', async () => (await node.transfer(peer)).tx > 0);
  });

  test('sends nothing to a peer with a low-order key', async ({ net }) => {
    const where = await net.namespace('a');
    const node = await WireGuardNode.start(net, where);
    await node.setPrivateKey(node.keys.privateKey);
    await where.nft(`
      table ip t {
        chain o {
          type filter hook output priority 0
          udp dport 1111 counter comment "sent"
        }
      }
    `);
    // Curve25519 points of order 1, 2, 4 and 8 and their non-canonical encodings, as the kernel's test has them.
    const lowOrder = [
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
      'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
      '4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=',
      'X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=',
      '7P///////////////////////////////////////38=',
      '7f///////////////////////////////////////38=',
      '7v///////////////////////////////////////38=',
    ];
    for (const key of lowOrder) {
      await node.set('peer', key, 'persistent-keepalive', '1', 'endpoint', '127.0.0.1:1111');
    }
    expect((await node.show('peers')).split('\n')).toHaveLength(7);
    await node.up();
    // A good peer on the same schedule shows that the keepalives of the others would have been sent by now.
    const good = generateKeyPair().publicKey;
    await node.set('peer', good, 'persistent-keepalive', '1', 'endpoint', '127.0.0.1:1112');
    await until('the good peer was sent to', async () => (await node.transfer(good)).tx > 0);
    expect(await where.nftPackets('sent')).toBe(0);
  });
});
