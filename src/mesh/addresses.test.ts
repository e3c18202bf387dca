import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identity, meshCrypto } from '../../test/support/mesh.js';
import { hex, prefix } from '../../test/support/wg.js';
import vectors from '../../test/vectors/mesh-identity.json' with { type: 'json' };
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from '../core/address.js';
import { contains, covers } from '../core/network.js';
import type { IpAddress } from '../core/types.js';
import {
  type AddressClaim,
  addressKey,
  deriveV4,
  deriveV6,
  isV4MeshPrefix,
  meshPrefixV6,
  resolveAddresses,
} from './addresses.js';
import { nodeIdOf } from './identity.js';
import type { NodeId } from './types.js';

const meshId = hex(vectors.meshId);
const anyId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeIdOf);
const net = (text: string) => parsePrefix(text)!;
const ip = (text: string) => parseAddress(text)!;

describe('derived addresses', () => {
  test.each(vectors.addresses)('of $id are those of the vector', ({ id, v6, v4 }) => {
    expect(formatAddress(deriveV6(meshCrypto, meshId, id as NodeId))).toBe(v6);
    for (const { prefix: range, counter, address } of v4) {
      expect(formatAddress(deriveV4(meshCrypto, net(range), id as NodeId, counter))).toBe(address);
    }
  });

  test('IPv6 ones lie in a /48 of the mesh within fd00::/8', () => {
    const range = meshPrefixV6(meshCrypto, meshId);
    expect(range.length).toBe(48);
    expect(covers(net('fd00::/8'), range)).toBe(true);
    fc.assert(
      fc.property(anyId, (id) => {
        const address = deriveV6(meshCrypto, meshId, id);
        expect(contains(range, address)).toBe(true);
        expect(address.subarray(6, 8)).toEqual(new Uint8Array(2));
      }),
    );
    const other = meshPrefixV6(meshCrypto, new Uint8Array(16));
    expect(formatPrefix(other)).not.toBe(formatPrefix(range));
  });

  test('IPv4 ones are hosts of the prefix: no network, first address, or broadcast', () => {
    const ranges = ['10.86.0.0/16', '192.0.2.0/24', '198.51.100.4/30', '198.51.100.8/29'];
    fc.assert(
      fc.property(anyId, fc.constantFrom(...ranges), fc.nat(1000), (id, text, counter) => {
        const range = net(text);
        const address = deriveV4(meshCrypto, range, id, counter);
        const size = 2 ** (32 - range.length);
        const host = number(address) - number(range.address);
        expect(host).toBeGreaterThanOrEqual(2);
        expect(host).toBeLessThanOrEqual(size - 2);
      }),
    );
  });

  test('IPv4 ones reach every host of a small prefix', () => {
    const range = net('198.51.100.8/29');
    const seen = new Set<string>();
    for (let counter = 0; counter < 100; counter++) {
      seen.add(formatAddress(deriveV4(meshCrypto, range, identity(1).id, counter)));
    }
    const hosts = [10, 11, 12, 13, 14].map((host) => `198.51.100.${host}`);
    expect([...seen].sort()).toEqual(hosts);
  });

  test('IPv4 ones need a prefix with room', () => {
    for (const [text, room] of [
      ['10.0.0.0/30', true],
      ['0.0.0.0/0', true],
      ['10.0.0.0/31', false],
      ['10.0.0.0/32', false],
      ['fd00::/16', false],
    ] as const) {
      expect(isV4MeshPrefix(net(text))).toBe(room);
      const derive = () => deriveV4(meshCrypto, net(text), identity(1).id, 0);
      if (room) expect(derive()).toHaveLength(4);
      else expect(derive).toThrow(RangeError);
    }
  });
});

function number(address: IpAddress): number {
  return new DataView(address.buffer, address.byteOffset).getUint32(0);
}

describe('who has an address', () => {
  const range = prefix('10.86.0.0/16');
  const claim = (
    id: NodeId,
    addresses: string[],
    { counter = 0, pinned = [] as string[], since = 0, routes = [] as string[] } = {},
  ): AddressClaim => ({
    id,
    record: { addresses: addresses.map(ip), addressCounter: counter, routes: routes.map(net) },
    pinned: pinned.map(ip),
    since,
  });
  const ids = [1, 2, 3, 4].map((n) => identity(n).id);
  const [a, b] = ids as [NodeId, NodeId];

  test('who alone claims it', () => {
    const table = resolveAddresses(
      meshCrypto,
      [claim(a, ['10.86.1.1', 'fd00::1']), claim(b, ['10.86.1.2'])],
      range,
    );
    expect(Object.fromEntries(table.owners)).toEqual({
      '10.86.1.1': a,
      'fd00::1': a,
      '10.86.1.2': b,
    });
    expect(table.granted.get(a)).toEqual([ip('10.86.1.1'), ip('fd00::1')]);
    expect(table.losers).toEqual([]);
  });

  test('one of two, and the other is told to derive anew but keeps the rest', () => {
    const table = resolveAddresses(
      meshCrypto,
      [claim(a, ['10.86.1.1', 'fd00::1']), claim(b, ['10.86.1.1', 'fd00::2'])],
      range,
    );
    const winner = table.owners.get('10.86.1.1')!;
    const loser = winner === a ? b : a;
    expect(table.losers).toEqual([loser]);
    expect(table.granted.get(winner)).toHaveLength(2);
    expect(table.granted.get(loser)).toEqual([ip(loser === a ? 'fd00::1' : 'fd00::2')]);
  });

  test('of equal counters who was trusted first: nobody makes identities until one fits', () => {
    for (const [first, second] of [
      [a, b],
      [b, a],
    ] as const) {
      const early = claim(first, ['10.86.1.1'], { since: 100 });
      const late = claim(second, ['10.86.1.1'], { since: 200 });
      const { owners, losers } = resolveAddresses(meshCrypto, [late, early], range);
      expect(owners.get('10.86.1.1')).toBe(first);
      expect(losers).toEqual([second]);
    }
  });

  test('the pinned one, whatever the hashes and counters', () => {
    for (const [first, second] of [
      [a, b],
      [b, a],
    ] as const) {
      const pinned = { counter: 9, pinned: ['10.86.1.1'] };
      const table = resolveAddresses(
        meshCrypto,
        [claim(first, ['10.86.1.1']), claim(second, ['10.86.1.1'], pinned)],
        range,
      );
      expect(table.owners.get('10.86.1.1')).toBe(second);
      expect(table.losers).toEqual([first]);
    }
  });

  test('the lower counter: nobody takes an address by deriving until it fits', () => {
    for (const [victim, thief] of [
      [a, b],
      [b, a],
    ] as const) {
      const table = resolveAddresses(
        meshCrypto,
        [claim(thief, ['10.86.1.1'], { counter: 1 }), claim(victim, ['10.86.1.1'])],
        range,
      );
      expect(table.owners.get('10.86.1.1')).toBe(victim);
    }
  });

  describe('of a plain device', () => {
    const device = ['10.86.1.1'];
    const behind = { pinned: device, routes: ['10.86.1.1/32'], since: 900 };

    test('is of the node that it is behind, whoever is due it, however early', () => {
      for (const [node, miner] of [
        [a, b],
        [b, a],
      ] as const) {
        const claims = [claim(node, ['10.86.0.9'], behind), claim(miner, device, { since: 1 })];
        const { owners, losers, granted } = resolveAddresses(meshCrypto, claims, range);
        expect(owners.get('10.86.1.1')).toBe(node);
        expect(losers).toEqual([miner]);
        // it is routed to the node, but is not an address of it
        expect(granted.get(node)).toEqual([ip('10.86.0.9')]);
        expect(granted.get(miner)).toEqual([]);
      }
    });

    test('has several nodes before it, and none of them lost', () => {
      const claims = [
        claim(a, ['10.86.0.8'], behind),
        claim(b, ['10.86.0.9'], { ...behind, since: 5 }),
      ];
      const { owners, losers } = resolveAddresses(meshCrypto, claims, range);
      expect(owners.get('10.86.1.1')).toBe(b);
      expect(losers).toEqual([]);
    });

    test('is a member’s if it is pinned for that one', () => {
      const pinned = claim(b, device, { pinned: device, since: 9_000 });
      const table = resolveAddresses(meshCrypto, [claim(a, ['10.86.0.9'], behind), pinned], range);
      expect(table.owners.get('10.86.1.1')).toBe(b);
      expect(table.losers).toEqual([]);
    });

    test('that nothing gives the node is whoever’s it is: a route takes none', () => {
      const offering = claim(a, ['10.86.0.9'], { routes: ['10.86.1.1/32', '10.86.1.0/24'] });
      const table = resolveAddresses(meshCrypto, [offering, claim(b, device)], range);
      expect(table.owners.get('10.86.1.1')).toBe(b);
      expect(resolveAddresses(meshCrypto, [offering], range).owners.size).toBe(1);
    });

    test('that the node has as its own is one claim', () => {
      const own = claim(a, device, behind);
      const { owners, losers, granted } = resolveAddresses(meshCrypto, [own], range);
      expect([...owners]).toEqual([['10.86.1.1', a]]);
      expect(losers).toEqual([]);
      expect(granted.get(a)).toEqual([ip('10.86.1.1')]);
    });
  });

  test('nobody outside of the prefix, unless it is pinned', () => {
    const outside = claim(a, ['192.0.2.1']);
    const pinned = claim(b, ['192.0.2.2'], { pinned: ['192.0.2.2'] });
    expect([...resolveAddresses(meshCrypto, [outside, pinned], range).owners]).toEqual([
      ['192.0.2.2', b],
    ]);
    expect(resolveAddresses(meshCrypto, [claim(a, ['10.86.1.1'])], null).owners.size).toBe(0);
  });

  test('the loser of an IPv6 address derives nothing', () => {
    const claims = [claim(a, ['fd00::1']), claim(b, ['fd00::1'])];
    const table = resolveAddresses(meshCrypto, claims, range);
    expect(table.owners.size).toBe(1);
    expect(table.losers).toEqual([]);
  });

  test('the same one for everybody, in whatever order they learn of the claims', () => {
    const someClaim = fc
      .tuple(fc.constantFrom('10.86.1.1', '10.86.1.2', '10.86.1.3'), fc.nat(2), fc.boolean())
      .map(([address, counter, isPinned]) => ({ address, counter, isPinned }));
    const claims = fc
      .tuple(someClaim, someClaim, someClaim, someClaim)
      .map((four) =>
        four.map(({ address, counter, isPinned }, i) =>
          claim(ids[i]!, [address], { counter, pinned: isPinned ? [address] : [] }),
        ),
      );
    const shuffled = claims.chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        const first = resolveAddresses(meshCrypto, one, range);
        const second = resolveAddresses(meshCrypto, other, range);
        expect(new Map(second.owners)).toEqual(new Map(first.owners));
        expect(second.losers).toEqual(first.losers);
        // exactly one owner an address, and everybody else lost
        expect(first.owners.size + first.losers.length).toBe(one.length);
      }),
    );
  });

  test('ends with an address for everybody, if the losers derive anew', () => {
    const small = net('198.51.100.0/26');
    const members = Array.from({ length: 40 }, (_, n) => ({ id: identity(n).id, counter: 0 }));
    const devices = Array.from({ length: 8 }, (_, n) => `198.51.100.${n + 2}`);
    const exporter = claim(identity(99).id, [], {
      pinned: devices,
      routes: devices.map((device) => `${device}/32`),
    });
    for (let round = 0; ; round++) {
      expect(round).toBeLessThan(100);
      const claims = members.map(({ id, counter }) => ({
        id,
        record: {
          addresses: [deriveV4(meshCrypto, small, id, counter)],
          addressCounter: counter,
          routes: [],
        },
        pinned: [],
        since: 0,
      }));
      const { losers, owners } = resolveAddresses(meshCrypto, [exporter, ...claims], small);
      if (losers.length === 0) {
        expect(owners.size).toBe(members.length + devices.length);
        break;
      }
      for (const member of members) if (losers.includes(member.id)) member.counter++;
    }
  });

  test('is found by the text of an address', () => {
    expect(addressKey(ip('fd00:0::1'))).toBe('fd00::1');
  });
});
