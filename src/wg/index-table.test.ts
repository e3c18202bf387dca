import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/support/wg.js';
import { IndexTable } from './index-table.js';

/** Random bytes from a list of u32. */
function scripted(...values: number[]) {
  return {
    bytes: () => {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, values.shift() ?? 0, true);
      return bytes;
    },
  };
}

describe('IndexTable', () => {
  it('takes what the generator gives, and never an index in use', () => {
    const table = new IndexTable<string>(scripted(7, 7, 0xffffffff, 7));
    expect(table.reserve('a')).toBe(7);
    expect(table.reserve('b')).toBe(0xffffffff);
    table.release(7);
    expect(table.reserve('c')).toBe(7);
    expect(table.owner(7)).toBe('c');
    expect(table.owner(0xffffffff)).toBe('b');
  });

  it('releases one, or all of an owner', () => {
    const table = new IndexTable<string>(seededRandom(3));
    const [first, second, other] = [table.reserve('a'), table.reserve('a'), table.reserve('b')];
    table.release(first);
    table.release(first);
    expect(table.owner(first)).toBeUndefined();
    expect(table.owner(second)).toBe('a');
    table.releaseAll('a');
    expect(table.owner(second)).toBeUndefined();
    expect(table.owner(other)).toBe('b');
    expect(table.size).toBe(1);
  });
});
