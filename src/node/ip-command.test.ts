import { describe, expect, test } from 'vitest';
import { formatPrefix, parseAddress, parsePrefix } from '../core/address.js';
import type { IpAddress, Prefix } from '../core/types.js';
import {
  type HostRoute,
  hostRoutes,
  type InterfacePlan,
  InterfaceSetup,
  isConnected,
} from './ip-command.js';

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

const PLAN: InterfacePlan = {
  mtu: 1420,
  addresses: [
    { address: address('10.86.1.2'), length: 16 },
    { address: address('fd01::2'), length: 48 },
  ],
  routes: [prefix('192.168.7.0/24')],
};

function setup() {
  const batches: string[][] = [];
  let failing = false;
  const it = new InterfaceSetup('weft0', async (argv, input) => {
    expect(argv).toEqual(['-force', '-batch', '-']);
    batches.push(input.trimEnd().split('\n'));
    if (failing) throw new Error('ip failed');
    return '';
  });
  return { it, batches, fail: (value: boolean) => (failing = value) };
}

describe('the interface', () => {
  test('is set up in one batch', async () => {
    const { it, batches } = setup();
    await it.apply(PLAN);
    expect(batches).toEqual([
      [
        'link set dev weft0 mtu 1420 up',
        'address replace 10.86.1.2/16 dev weft0',
        'address replace fd01::2/48 dev weft0 nodad',
        'route add 192.168.7.0/24 dev weft0 proto 119',
      ],
    ]);
  });

  test('is told differences only; an address goes before the next comes', async () => {
    const { it, batches } = setup();
    await it.apply(PLAN);
    await it.apply(PLAN);
    await it.apply({
      mtu: 1380,
      addresses: [{ address: address('10.86.9.9'), length: 16 }, ...PLAN.addresses.slice(1)],
      routes: [],
    });
    expect(batches.slice(1)).toEqual([
      [
        'address del 10.86.1.2/16 dev weft0',
        'route del 192.168.7.0/24 dev weft0 proto 119',
        'link set dev weft0 mtu 1380 up',
        'address replace 10.86.9.9/16 dev weft0',
      ],
    ]);
  });

  test('is told all again after a failure', async () => {
    const { it, batches, fail } = setup();
    fail(true);
    await expect(it.apply(PLAN)).rejects.toThrow();
    fail(false);
    await it.apply(PLAN);
    const flush = [
      'route flush root 0.0.0.0/0 dev weft0 proto 119',
      'route flush root ::/0 dev weft0 proto 119',
    ];
    expect(batches[1]).toEqual([...flush, ...(batches[0] ?? [])]);
    await it.apply({ ...PLAN, mtu: 1300 });
    expect(batches[2]).toEqual(['link set dev weft0 mtu 1300 up']);
  });
});

test('routes of the host are all but those of the mesh; some are of networks that it is connected to', async () => {
  const listings: Record<string, unknown[]> = {
    '-4': [
      { dst: 'default', gateway: '192.0.2.1', dev: 'eth0' },
      { dst: '192.0.2.0/24', dev: 'eth0', protocol: 'kernel', scope: 'link' },
      { dst: '10.86.0.0/16', dev: 'weft0', protocol: 'kernel', scope: 'link' },
      { dst: '10.2.0.0/16', dev: 'weft0', protocol: '119' },
      { dst: '10.3.0.0/16', dev: 'weft0', protocol: 'static' },
      { dst: '10.1.0.0/16', gateway: '192.0.2.9', dev: 'eth0', protocol: 'static' },
      { dst: '10.4.0.1', protocol: 'boot', nexthops: [] },
    ],
    '-6': [
      { dst: 'fe80::/64', dev: 'eth0', protocol: 'kernel' },
      { dst: 'fd00::/64', dev: 'eth0', protocol: 'kernel' },
    ],
  };
  const found = await hostRoutes('weft0', async ([, family = '']) =>
    JSON.stringify(listings[family]),
  );
  const texts = (routes: readonly HostRoute[]) =>
    routes.map(({ prefix, device }) => `${formatPrefix(prefix)} ${device}`);
  expect(texts(found)).toEqual([
    '192.0.2.0/24 eth0',
    '10.3.0.0/16 weft0',
    '10.1.0.0/16 eth0',
    '10.4.0.1/32 ',
    'fe80::/64 eth0',
    'fd00::/64 eth0',
  ]);
  expect(texts(found.filter(isConnected))).toEqual(['192.0.2.0/24 eth0', 'fd00::/64 eth0']);
});
