import { describe, expect, test } from 'vitest';
import { identity } from '../../test/support/mesh.js';
import { address, prefix } from '../../test/support/wg.js';
import { formatTrustedKey, parseTrustedKey, type TrustedKey } from './trusted-key.js';

const { id } = identity(1);
const bare = { groups: [], addresses: [], routes: [] };

describe('a file of trusted.d', () => {
  test.each<[string, TrustedKey]>([
    [`node ${id}`, { kind: 'node', id, name: null, ...bare }],
    [`node ${id.toUpperCase()}\n`, { kind: 'node', id, name: null, ...bare }],
    [`authority ${id} name=acme`, { kind: 'authority', id, name: 'acme', ...bare }],
    [
      `# our router\n\n  node\t${id}  name=shop # in the cellar\r\n#end`,
      { kind: 'node', id, name: 'shop', ...bare },
    ],
    [
      `node ${id} routes=10.20.0.0/16,fd20::/64 addresses=10.86.9.1,fd00::1 groups=routers,all`,
      {
        kind: 'node',
        id,
        name: null,
        groups: ['routers', 'all'],
        addresses: [address('10.86.9.1'), address('fd00:0:0:0:0:0:0:1')],
        routes: [prefix('10.20.0.0/16'), prefix('fd20:0:0:0:0:0:0:0/64')],
      },
    ],
  ])('%j is read, and written so that it reads the same', (text, key) => {
    expect(parseTrustedKey(text, 'shop.pub')).toEqual(key);
    expect(parseTrustedKey(formatTrustedKey(key), 'again.pub')).toEqual(key);
  });

  test.each([
    ['', 1, 'no key in this file'],
    ['# nothing\n', 1, 'no key in this file'],
    [id, 1, 'neither "node" nor "authority"'],
    ['\nhost x', 2, '"host" is neither'],
    ['node', 1, '"" is no identity'],
    [`node ${id.slice(1)}`, 1, '64 hex digits'],
    ['node GvQXnsb+eIlbHjIzBLB9lEIGCBZBgTVONrkpBYCZpFo=', 1, 'this is a WireGuard key'],
    [`node ${id}\n\nnode ${id}`, 3, 'each key into a file of its own'],
    [`node ${id} admin=yes`, 1, 'unknown option "admin"; node keys know name, groups'],
    [`node ${id} __proto__=1`, 1, 'unknown option "__proto__"'],
    [`authority ${id} routes=10.0.0.0/8`, 1, 'authority keys know name'],
    [`node ${id} name=`, 1, '"name" has no value'],
    [`node ${id} name`, 1, '"name" has no value'],
    [`node ${id} name=a name=b`, 1, '"name" is given twice'],
    [`node ${id} name=Shop`, 1, '"Shop" is no name'],
    [`node ${id} groups=a,,b`, 1, '"" is no group'],
    [`node ${id} addresses=10.0.0.1/24`, 1, 'without a prefix length'],
    [`node ${id} addresses=10.0.0.1,10.0.0.2`, 1, 'more than one address of a family'],
    [`node ${id} routes=10.0.0.0`, 1, '"10.0.0.0" is no prefix'],
  ])('%j is refused with file, line and remedy', (text, line, message) => {
    const parse = () => parseTrustedKey(text, 'shop.pub');
    expect(parse).toThrow(`shop.pub:${line}: `);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ code: 'ETRUST' }));
  });
});
