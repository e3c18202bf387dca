// wg-quick with WG_QUICK_USERSPACE_IMPLEMENTATION, unchanged, on whole configuration files.
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect } from 'vitest';
import { type Namespace, type Network, test } from './harness.js';
import { generateKeyPair, randomKey } from './keys.js';
import { uniqueInterface } from './names.js';
import { until } from './process.js';
import { expectPing } from './traffic.js';
import { IMPLEMENTATION, socketPath, WireGuardNode } from './wireguard-node.js';

/**
 * A copy of wg-quick beside an `ip` that knows no WireGuard devices: wg-quick searches its own directory first, and
 * would otherwise take the kernel's implementation where there is one.
 */
function wgQuick(net: Network): string {
  const path = `${net.directory}/wg-quick`;
  copyFileSync('/usr/bin/wg-quick', path);
  const ip = net.file(
    '#!/bin/sh\ncase "$*" in *"type wireguard"*) echo "Unknown device type" >&2; exit 2 ;; esac\n' +
      `PATH=/usr/sbin:/usr/bin:/sbin:/bin exec ip "$@"\n`,
    'ip',
  );
  for (const file of [path, ip]) chmodSync(file, 0o755);
  return path;
}

class Quick {
  readonly #program: string;
  readonly name = uniqueInterface();
  readonly keys = generateKeyPair();

  constructor(
    readonly net: Network,
    readonly where: Namespace,
  ) {
    this.#program = wgQuick(net);
  }

  async run(action: 'up' | 'down', config: string): Promise<string> {
    return this.where.check([this.#program, action, config], {
      env: { WG_QUICK_USERSPACE_IMPLEMENTATION: IMPLEMENTATION },
    });
  }
}

/** A server with an inner network behind it, and a namespace for the client. */
async function scene(net: Network): Promise<{ server: WireGuardNode; quick: Quick }> {
  const [outside, client] = [await net.namespace('server'), await net.namespace('client')];
  await net.link(
    [outside, 'veth0', '10.0.0.1/24', 'fd00:aa::1/96'],
    [client, 'veth0', '10.0.0.2/24', 'fd00:aa::2/96'],
  );
  const server = await WireGuardNode.start(net, outside);
  const quick = new Quick(net, client);
  await server.setConfiguration(
    `[Interface]\nPrivateKey=${server.keys.privateKey}\nListenPort=51820\n[Peer]\n` +
      `PublicKey=${quick.keys.publicKey}\nAllowedIPs=10.9.0.2/32,fd09::2/128\n`,
  );
  await server.up('10.9.0.1/24', 'fd09::1/64', '203.0.113.9/32', '2001:db8::9/128');
  return { server, quick };
}

function configuration(
  quick: Quick,
  server: WireGuardNode,
  extra: string,
  allowed: string,
): string {
  return quick.net.file(
    `[Interface]\nPrivateKey = ${quick.keys.privateKey}\nAddress = 10.9.0.2/24, fd09::2/64\n${extra}\n` +
      `[Peer]\nPublicKey = ${server.publicKey}\nEndpoint = 10.0.0.1:51820\nAllowedIPs = ${allowed}\n`,
    `${quick.name}.conf`,
  );
}

async function expectDown(quick: Quick): Promise<void> {
  expect((await quick.where.run(['ip', 'link', 'show', quick.name])).code).not.toBe(0);
  await until('the socket is gone', () => !existsSync(socketPath(quick.name)));
  expect(await quick.where.check(['ip', 'rule', 'show'])).not.toMatch(/suppress|fwmark/);
}

describe('wg-quick', () => {
  test('brings a tunnel up and down, twice', async ({ net }) => {
    const { server, quick } = await scene(net);
    const conf = configuration(quick, server, 'MTU = 1380', '10.9.0.0/24, fd09::/64');
    for (let round = 0; round < 2; round++) {
      await quick.run('up', conf);
      expect(existsSync(socketPath(quick.name))).toBe(true);
      expect(await quick.where.ip(`link show ${quick.name}`)).toContain('mtu 1380');
      // The server restarts no session for a client that is new to it within 5 s of the last handshake.
      await expectPing(quick.where, '10.9.0.1', { waitS: 8 });
      await expectPing(quick.where, 'fd09::1');
      await quick.run('down', conf);
      await expectDown(quick);
    }
  });

  test('routes everything through the tunnel', async ({ net }) => {
    const { server, quick } = await scene(net);
    const conf = configuration(
      quick,
      server,
      `PreUp = true\nPostUp = wg set %i peer ${server.publicKey} persistent-keepalive 5\nPostDown = true`,
      '0.0.0.0/0, ::/0',
    );
    await quick.run('up', conf);
    expect(await quick.where.check(['ip', 'rule', 'show'])).toMatch(/not from all fwmark 0xca6c/);
    expect((await quick.where.check(['wg', 'show', quick.name, 'fwmark'])).trim()).toBe('0xca6c');
    await expectPing(quick.where, '203.0.113.9', { count: 5 });
    await expectPing(quick.where, '2001:db8::9', { count: 5 });
    await expectPing(quick.where, '10.0.0.1'); // the local link stays outside
    await quick.run('down', conf);
    await expectDown(quick);
  });

  test('routes everything through the tunnel over IPv6', async ({ net }) => {
    const { server, quick } = await scene(net);
    const conf = net.file(
      `[Interface]\nPrivateKey = ${quick.keys.privateKey}\nAddress = 10.9.0.2/24, fd09::2/64\n` +
        `[Peer]\nPublicKey = ${server.publicKey}\nEndpoint = [fd00:aa::1]:51820\nAllowedIPs = 0.0.0.0/0, ::/0\n`,
      `${quick.name}.conf`,
    );
    await quick.run('up', conf);
    await expectPing(quick.where, '2001:db8::9', { count: 5 });
    await expectPing(quick.where, '203.0.113.9', { count: 5 });
    await quick.run('down', conf);
    await expectDown(quick);
  });

  test('honours Table, FwMark and ListenPort', async ({ net }) => {
    const { server, quick } = await scene(net);
    const conf = configuration(
      quick,
      server,
      'Table = 1234\nFwMark = 0x77\nListenPort = 4444',
      '203.0.113.0/24, 2001:db8::/32, 10.9.0.0/24',
    );
    await quick.run('up', conf);
    expect(await quick.where.ip('route show table 1234')).toContain('203.0.113.0/24');
    expect((await quick.where.check(['wg', 'show', quick.name, 'fwmark'])).trim()).toBe('0x77');
    expect((await quick.where.check(['wg', 'show', quick.name, 'listen-port'])).trim()).toBe(
      '4444',
    );
    await quick.where.ip('rule add to 203.0.113.0/24 table 1234');
    await expectPing(quick.where, '203.0.113.9');
    await quick.where.ip('rule del to 203.0.113.0/24 table 1234');
    await quick.run('down', conf);
    await expectDown(quick);
  });

  test('starts with many peers', async ({ net }) => {
    const { server, quick } = await scene(net);
    const single = configuration(quick, server, '', '10.9.0.0/24');
    const peers = Array.from({ length: 200 }, (_, i) => {
      return `[Peer]\nPublicKey = ${randomKey()}\nPresharedKey = ${randomKey()}\nAllowedIPs = 10.10.${i}.0/24\n`;
    });
    const text = net.file(readFileSync(single, 'utf8') + peers.join(''), basename(single));
    await quick.run('up', text);
    await expectPing(quick.where, '10.9.0.1');
    expect(
      (await quick.where.check(['wg', 'show', quick.name, 'peers'])).trim().split('\n'),
    ).toHaveLength(201);
    await quick.run('down', text);
    await expectDown(quick);
  });
});
