import { describe, expect, test } from 'vitest';
import type { Uplink, UplinkSettings } from '../bond/uplink.js';
import { formatAddress, formatPrefix } from '../core/address.js';
import { NO_UPLINK } from './bond-config.js';
import type { IpRunner } from './ip-command.js';
import { readUplinks } from './uplinks.js';

/** An interface as `ip -j -d address` describes it, in what matters. */
function link(ifindex: number, ifname: string, more: object, ...addresses: readonly string[]) {
  return {
    ifindex,
    ifname,
    flags: ['BROADCAST', 'UP', 'LOWER_UP'],
    operstate: 'UP',
    addr_info: addresses.map((text) => {
      const [local, length] = text.split('/');
      return { local, prefixlen: Number(length), scope: 'global' };
    }),
    ...more,
  };
}

const kind = (info_kind: string) => ({ linkinfo: { info_kind } });
const LO = link(1, 'lo', { flags: ['LOOPBACK', 'UP'], operstate: 'UNKNOWN' }, '192.0.2.99/32');
const ETH = link(2, 'eth0', {}, '203.0.113.7/24', '2001:db8::7/64');
const LTE = link(3, 'wwan0', { operstate: 'UNKNOWN' }, '100.64.1.2/30');

function ip(links: readonly object[], v4: readonly object[], v6: readonly object[] = []): IpRunner {
  return async (argv) => {
    if (argv.includes('address')) return JSON.stringify(links);
    const routes = argv.includes('-4') ? v4 : v6;
    return routes.length === 0 ? '' : JSON.stringify(routes);
  };
}

const route = (dev: string, metric?: number) => ({ dst: 'default', dev, metric, flags: [] });

function read(
  run: IpRunner,
  uplinks: readonly UplinkSettings[] = [],
  discovery: 'auto' | 'listed' | null = null,
): Promise<Uplink[]> {
  return readUplinks({ discovery, uplinks }, 'weft0', run);
}

async function names(...given: Parameters<typeof read>): Promise<string[]> {
  return (await read(...given)).map(({ name }) => name);
}

describe('uplinks of the system', () => {
  test('are interfaces with a default route, the best metric first', async () => {
    const run = ip([LO, LTE, ETH], [route('wwan0', 700), route('eth0', 100)]);
    const found = await read(run);
    expect(found.map(({ name, index }) => [name, index])).toEqual([
      ['eth0', 2],
      ['wwan0', 3],
    ]);
    const [eth, lte] = found;
    expect(eth?.v4 && formatAddress(eth.v4)).toBe('203.0.113.7');
    expect(eth?.v6 && formatAddress(eth.v6)).toBe('2001:db8::7');
    expect(eth?.connected.map(formatPrefix)).toEqual(['203.0.113.0/24', '2001:db8::/64']);
    expect([eth?.defaultV4, eth?.defaultV6]).toEqual([true, false]);
    expect([lte?.v6, lte?.defaultV4, lte?.role]).toEqual([null, true, 'normal']);
  });

  test('also those of several next hops, and of other tables than main', async () => {
    const hops = { dst: 'default', flags: [], nexthops: [{ dev: 'eth0' }, { dev: 'wwan0' }] };
    expect(await names(ip([ETH, LTE], [hops]))).toEqual(['eth0', 'wwan0']);
    const found = await read(ip([ETH, LTE], [{ ...route('wwan0'), table: '7' }]));
    expect(found.find(({ name }) => name === 'wwan0')?.defaultV4).toBe(true);
  });

  test('and those with an address of their own: what their network reaches', async () => {
    const [eth] = await read(ip([ETH], []));
    expect(eth).toMatchObject({ name: 'eth0', defaultV4: false, defaultV6: false });
  });

  test('never the mesh itself, loopback, or other tunnels', async () => {
    const all = [
      LO,
      ETH,
      link(4, 'weft0', kind('tun'), '10.86.0.1/16'),
      link(5, 'wg0', kind('wireguard'), '10.9.0.1/24'),
      link(6, 'vpn', kind('tun'), '10.8.0.1/24'),
    ];
    expect(await names(ip(all, [route('wg0', 1), route('eth0', 2)]))).toEqual(['eth0']);
  });

  test('bridges and pairs of containers only if the way out is by them', async () => {
    const docker = link(4, 'docker0', kind('bridge'), '172.17.0.1/16');
    const pair = link(5, 'up1', kind('veth'), '10.2.0.2/24');
    const bridge = link(6, 'br0', kind('bridge'), '192.168.1.2/24');
    const all = [docker, pair, bridge];
    expect(await names(ip(all, []))).toEqual([]);
    expect(await names(ip(all, [route('br0'), route('up1', 2)]))).toEqual(['br0', 'up1']);
  });

  test.each([
    ['is down', { flags: ['BROADCAST'], operstate: 'DOWN' }],
    ['has no carrier', { operstate: 'LOWERLAYERDOWN' }],
    ['has no address', { addr_info: [] }],
    [
      'has link-local ones only',
      { addr_info: [{ local: '169.254.1.1', prefixlen: 16, scope: 'link' }] },
    ],
  ])('not one that %s', async (_, more) => {
    expect(await names(ip([{ ...ETH, ...more }], [route('eth0')]))).toEqual([]);
  });

  test('addresses that pass are not sent from', async () => {
    const address = (local: string, more: object) => {
      return { local, prefixlen: 64, scope: 'global', ...more };
    };
    const addr_info = [
      address('2001:db8::1', { temporary: true }),
      address('2001:db8::2', { deprecated: true }),
      address('2001:db8::3', { tentative: true }),
      address('2001:db8::4', {}),
    ];
    const [eth] = await read(ip([{ ...ETH, addr_info }], [], [route('eth0')]));
    expect(eth?.v6 && formatAddress(eth.v6)).toBe('2001:db8::4');
  });

  test('a default route whose link is down is none', async () => {
    const [eth] = await read(ip([ETH], [{ ...route('eth0'), flags: ['linkdown'] }]));
    expect(eth?.defaultV4).toBe(false);
  });
});

describe('uplinks of the configuration', () => {
  const settings: UplinkSettings = { ...NO_UPLINK, name: 'wwan0', role: 'backup', weight: 50 };
  const run = ip([ETH, LTE], [route('eth0'), route('wwan0', 9)]);

  test('are all there are, if any is listed', async () => {
    expect(await read(run, [settings])).toMatchObject([
      { name: 'wwan0', role: 'backup', weight: 50 },
    ]);
  });

  test('describe those of the system with Uplinks = auto', async () => {
    expect(await read(run, [settings], 'auto')).toMatchObject([
      { name: 'eth0', role: 'normal' },
      { name: 'wwan0', role: 'backup' },
    ]);
  });

  test('may be none', async () => {
    expect(await read(run, [], 'listed')).toEqual([]);
  });

  test('may be what would not be found: a tunnel, an interface without a default route', async () => {
    const wg = link(5, 'wg0', kind('wireguard'), '10.9.0.1/24');
    const [found] = await read(ip([wg], []), [{ ...NO_UPLINK, name: 'wg0' }]);
    expect(found).toMatchObject({ name: 'wg0', defaultV4: true });
  });
});
