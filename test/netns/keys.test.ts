// Keys and peers that change while the tunnel is in use.
import { describe, expect } from 'vitest';
import { test } from './harness.js';
import { generateKeyPair, randomKey } from './keys.js';
import { pause, until } from './process.js';
import { pair } from './topology.js';
import { expectNoPing, expectPing, ping } from './traffic.js';

describe('keys', () => {
  test('shakes hands at once after a private key changed', async ({ net }) => {
    const [a, b] = await pair(net, { presharedKey: randomKey() });
    await expectPing(a.namespace, b.inner4);
    for (let round = 0; round < 3; round++) {
      const next = generateKeyPair();
      const psk = randomKey();
      await a.node.setPrivateKey(next.privateKey);
      await a.node.setPresharedKey(b.node.publicKey, psk);
      await b.node.set(
        'peer',
        next.publicKey,
        'preshared-key',
        net.file(psk),
        'allowed-ips',
        `${a.inner4}/32`,
        'endpoint',
        a.endpoint4,
      );
      await expectPing(a.namespace, b.inner4);
    }
  });

  test('does not shake hands with a wrong preshared key', async ({ net }) => {
    const [a, b] = await pair(net, { presharedKey: randomKey() });
    await a.node.setPresharedKey(b.node.publicKey, randomKey());
    await expectNoPing(a.namespace, b.inner4);
    expect(await a.node.latestHandshake(b.node.publicKey)).toBe(0);
  });

  test('keeps the session when the preshared key changes', async ({ net }) => {
    const [a, b] = await pair(net, { presharedKey: randomKey() });
    await expectPing(a.namespace, b.inner4);
    const next = randomKey();
    await a.node.setPresharedKey(b.node.publicKey, next);
    await expectPing(a.namespace, b.inner4);
    await b.node.setPresharedKey(a.node.publicKey, next);
    await expectPing(b.namespace, a.inner4);
    // Down and up forgets the session: the next handshake uses the new key.
    await a.namespace.ip(`link set ${a.node.interfaceName} down`);
    await a.namespace.ip(`link set ${a.node.interfaceName} up`);
    await expectPing(a.namespace, b.inner4, { waitS: 8 });
  });

  test('stops without a private key and works again with one', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    await a.node.set('private-key', '/dev/null');
    expect(await a.node.show('private-key')).toBe('(none)');
    expect(await a.node.show('public-key')).toBe('(none)');
    await expectNoPing(a.namespace, b.inner4);
    await a.node.setPrivateKey(a.node.keys.privateKey);
    await expectPing(a.namespace, b.inner4, { waitS: 8 });
  });

  test('keeps the session when the same private key is set again', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    // Handshake times are compared as UAPI gives them: with nanoseconds.
    const times = async () => (await a.node.uapi('get=1\n\n')).match(/last_handshake.*/g);
    const before = await times();
    await a.node.setPrivateKey(a.node.keys.privateKey);
    await expectPing(a.namespace, b.inner4);
    expect(await times()).toEqual(before);
  });

  test('removes a peer while traffic flows, and takes it back', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    const server = net.spawn(b.namespace, ['iperf3', '-s', '-B', b.inner4]);
    await until('iperf3 listens', async () =>
      (await b.namespace.check(['ss', '-tlnH', 'sport = 5201'])).includes('5201'),
    );
    const client = net.spawn(a.namespace, [
      'iperf3',
      '-C',
      'cubic',
      '-t',
      '20',
      '-c',
      b.inner4,
      '--bidir',
    ]);
    for (let round = 0; round < 5; round++) {
      await until(
        'traffic flows',
        async () => {
          return (await a.node.transfer(b.node.publicKey)).tx > 5_000_000;
        },
        10_000,
      );
      await a.node.set('peer', b.node.publicKey, 'remove');
      expect(await a.node.show('peers')).toBe('');
      await a.node.set(
        'peer',
        b.node.publicKey,
        'endpoint',
        b.endpoint4,
        'allowed-ips',
        `${b.inner4}/32`,
      );
      await pause(50);
    }
    await client.stop();
    await server.stop();
    await expectPing(a.namespace, b.inner4, { waitS: 8 });
  });

  test('removes a peer that has our own key, and ignores one', async ({ net }) => {
    const [a, b] = await pair(net);
    await a.node.set('peer', a.node.publicKey, 'allowed-ips', '1.2.3.4/32');
    expect(await a.node.show('peers')).toBe(b.node.publicKey);
    await a.node.setPrivateKey(b.node.keys.privateKey);
    expect(await a.node.show('public-key')).toBe(b.node.publicKey);
    expect(await a.node.show('peers')).toBe('');
  });

  test('does not answer an unknown peer', async ({ net }) => {
    const [a, b] = await pair(net);
    await b.node.set('peer', a.node.publicKey, 'remove');
    await ping(a.namespace, b.inner4, { waitS: 0.5 });
    expect(await a.node.latestHandshake(b.node.publicKey)).toBe(0);
    expect((await a.node.transfer(b.node.publicKey)).rx).toBe(0);
  });
});
