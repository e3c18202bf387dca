import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prefix } from '../../test/support/wg.js';
import { AllowedIps, type PrefixSet } from './allowed-ips.js';

class Owner {
  readonly prefixes: PrefixSet = new Map();
}

function text(owner: Owner): string[] {
  return [...owner.prefixes.values()].map(
    ({ address, length }) => `${address.length === 4 ? address.join('.') : [...address]}/${length}`,
  );
}

describe('AllowedIps', () => {
  it('masks host bits', () => {
    const table = new AllowedIps<Owner>();
    const owner = new Owner();
    for (const each of ['10.1.2.255/25', '10.1.2.3/32', '255.255.255.255/0', '192.168.4.5/15']) {
      table.insert(owner, prefix(each));
    }
    expect(text(owner)).toEqual(['10.1.2.128/25', '10.1.2.3/32', '0.0.0.0/0', '192.168.0.0/15']);
    const stored = table.insert(owner, prefix('2001:db8:ffff:ffff:ffff:0:0:1/65'));
    expect(stored?.address).toEqual(prefix('2001:db8:ffff:ffff:8000:0:0:0/65').address);
  });

  it('moves a prefix from one owner to another, and tells prefixes of one address apart', () => {
    const table = new AllowedIps<Owner>();
    const [a, b] = [new Owner(), new Owner()];
    table.insert(a, prefix('10.0.0.0/8'));
    table.insert(a, prefix('10.0.0.0/16'));
    expect(table.insert(b, prefix('10.9.9.9/8'))).not.toBeNull();
    expect(text(a)).toEqual(['10.0.0.0/16']);
    expect(text(b)).toEqual(['10.0.0.0/8']);
    expect(table.size).toBe(2);
  });

  it('says null for what changes nothing, and puts what is set again last', () => {
    const table = new AllowedIps<Owner>();
    const owner = new Owner();
    table.insert(owner, prefix('10.0.0.0/8'));
    table.insert(owner, prefix('11.0.0.0/8'));
    expect(table.insert(owner, prefix('10.0.0.0/8'))).toBeNull();
    expect(text(owner)).toEqual(['11.0.0.0/8', '10.0.0.0/8']);
  });

  it('removes only what is the owner’s', () => {
    const table = new AllowedIps<Owner>();
    const [a, b] = [new Owner(), new Owner()];
    table.insert(a, prefix('10.0.0.0/8'));
    expect(table.remove(b, prefix('10.0.0.0/8'))).toBeNull();
    expect(table.remove(a, prefix('10.0.0.0/9'))).toBeNull();
    expect(table.remove(a, prefix('10.7.0.0/8'))).toEqual(prefix('10.0.0.0/8'));
    expect(table.size).toBe(0);
    table.insert(a, prefix('10.0.0.0/8'));
    table.insert(b, prefix('11.0.0.0/8'));
    expect(table.removeAll(a)).toEqual([prefix('10.0.0.0/8')]);
    expect(text(a)).toEqual([]);
    expect(table.size).toBe(1);
  });

  it('keeps every prefix with its last owner only', () => {
    const anyPrefix = fc.oneof(
      fc.record({
        address: fc.uint8Array({ minLength: 4, maxLength: 4, max: 3 }),
        length: fc.integer({ min: 0, max: 32 }),
      }),
      fc.record({
        address: fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 }),
        length: fc.integer({ min: 0, max: 128 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), anyPrefix)), (steps) => {
        const owners = [new Owner(), new Owner(), new Owner()];
        const table = new AllowedIps<Owner>();
        const model = new Map<string, number>();
        for (const [who, each] of steps) {
          const owner = owners[who] as Owner;
          table.insert(owner, each);
          model.set(bits(each.address).slice(0, each.length) + each.address.length, who);
        }
        expect(table.size).toBe(model.size);
        for (const [who, owner] of owners.entries()) {
          const expected = [...model].filter(([, last]) => last === who).map(([key]) => key);
          const actual = [...owner.prefixes.values()].map(
            (each) => bits(each.address).slice(0, each.length) + each.address.length,
          );
          expect(actual.sort()).toEqual(expected.sort());
        }
      }),
    );
  });
});

function bits(address: Uint8Array): string {
  return [...address].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}
