// What happens to a mesh when nodes and networks fail: members die, links are cut, hosts move, everything restarts.
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { test } from './harness.js';
import { MeshHost, meshOf } from './mesh-host.js';
import { pause, until } from './process.js';
import { expectPing, ping } from './traffic.js';

function stateOf(host: MeshHost, name: string): Promise<string | undefined> {
  return host.status().then(({ members }) => members.find((each) => each.name === name)?.state);
}

describe('a mesh', () => {
  test('suspects a killed node, gives it up, and takes it back', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    const [a, b, c] = hosts as [MeshHost, MeshHost, MeshHost];
    await meshOf(hosts);
    for (const host of hosts) await host.sees(2);
    c.process?.signal('SIGKILL');
    await c.process?.exited();
    await until('it is suspect or dead', async () => (await stateOf(a, 'n3')) !== 'alive', 15_000);
    for (const host of [a, b]) {
      await until('it is dead', async () => (await stateOf(host, 'n3')) === 'dead', 60_000);
    }
    const peers = await a.namespace.check(['wg', 'show', a.device, 'peers']);
    expect(peers.trim().split('\n')).toHaveLength(2);
    await c.up();
    for (const host of hosts) await host.sees(2, 30_000);
    await expectPing(c.namespace, await a.address());
  });

  test('knows that a node left, and forgets its tunnel', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    const [a, b, c] = hosts as [MeshHost, MeshHost, MeshHost];
    await meshOf(hosts);
    for (const host of hosts) await host.sees(2);
    await c.weft(['down']);
    for (const host of [a, b]) {
      await until('it has left', async () => (await stateOf(host, 'n3')) === 'left');
    }
    const peers = await a.namespace.check(['wg', 'show', a.device, 'peers']);
    expect(peers.trim().split('\n')).toHaveLength(1);
  });

  test('re-forms from what was saved, without seeds', async ({ net }) => {
    const hosts = await MeshHost.create(net, 3);
    await meshOf(hosts);
    for (const host of hosts) await host.sees(2);
    await pause(1_500); // state is saved within a second
    for (const host of hosts) host.process?.signal('SIGKILL');
    await Promise.all(hosts.map((host) => host.process?.exited()));
    // the last first: it must not need the one that it joined through
    const [a, b, c] = hosts as [MeshHost, MeshHost, MeshHost];
    await c.up();
    await b.up();
    await b.sees(1, 30_000);
    await a.up();
    for (const host of hosts) await host.sees(2, 30_000);
  }, 90_000);

  test('keeps tunnels while only gossip fails', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a, b] = hosts as [MeshHost, MeshHost];
    await meshOf(hosts);
    await a.sees(1);
    const address = await b.address();
    await expectPing(a.namespace, address);
    // gossip begins with a byte of 0x80 or more
    for (const host of hosts) {
      await host.namespace.nft(
        'table inet cut { chain in { type filter hook input priority 0; udp dport 51820 @th,64,8 >= 0x80 drop; }; }\n',
      );
    }
    const flow = net.spawn(a.namespace, ['ping', '-n', '-i', '0.5', address]);
    await pause(15_000);
    expect(await stateOf(a, 'n2')).toBe('alive');
    await flow.stop();
    await until(
      'without traffic it is given up',
      async () => (await stateOf(a, 'n2')) === 'dead',
      60_000,
    );
    expect((await ping(a.namespace, address, { waitS: 2 })).received).toBe(1);
  }, 120_000);

  test('follows a node to its new address', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a, b] = hosts as [MeshHost, MeshHost];
    await meshOf(hosts);
    await a.sees(1);
    const address = await b.address();
    await expectPing(a.namespace, address);
    await b.namespace.ip('addr flush dev eth0');
    await b.namespace.ip('addr add 10.99.0.77/24 dev eth0');
    await until(
      'it is reached again',
      async () => (await ping(a.namespace, address, { waitS: 1 })).received === 1,
      25_000,
    );
    await until('the endpoint is the new one', async () => {
      const [member] = (await a.status()).members;
      return member?.endpoint === '10.99.0.77:51820';
    });
  }, 60_000);

  test('carries to offered networks, but not over a connected one', async ({ net }) => {
    const hosts = await MeshHost.create(net, 2);
    const [a, b] = hosts as [MeshHost, MeshHost];
    await a.init();
    await a.up();
    await b.join(await a.invite('--route', '192.168.0.0/16'));
    const offer = (routes: string) => {
      const path = b.file('weft.conf');
      const text = readFileSync(path, 'utf8').replace(/^#?Route = .*$/m, `Route = ${routes}`);
      writeFileSync(path, text);
    };
    offer('192.168.7.0/24');
    await b.namespace.ip('addr add 192.168.7.1/32 dev lo');
    const foreign = '192.168.9.0/24 dev eth0 metric 50';
    await a.namespace.ip(`route add ${foreign}`);
    offer('192.168.7.0/24, 192.168.9.0/24');
    await b.up();
    await until(
      'the route is used',
      async () => (await ping(a.namespace, '192.168.7.1', { waitS: 1 })).received === 1,
    );
    expect(await a.namespace.ip('route show proto 119')).toMatch(
      /^192\.168\.7\.0\/24 dev \S+ scope link\s*$/,
    );
    expect(await a.namespace.ip('route show 192.168.9.0/24')).toContain('dev eth0');
    const { warnings } = await a.status();
    expect(warnings.join()).toContain(
      '192.168.9.0/24 is not used: this host has a route of its own',
    );
    await a.namespace.ip('link add lan type bridge');
    await a.namespace.ip('addr add 192.168.8.1/24 dev lan');
    await a.namespace.ip('link set lan up');
    await a.weft(['reload']);
    offer('192.168.0.0/16');
    await b.weft(['reload']);
    await until('it is refused', async () =>
      (await a.status()).warnings.some((warning) =>
        warning.includes('overlaps 192.168.8.0/24 on lan'),
      ),
    );
    expect(await a.namespace.ip('route show 192.168.0.0/16')).toBe('');
  });
});
