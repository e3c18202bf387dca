// The files of trusted.d: one key each, whom this node trusts and for what. Text in, value out; the shell reads them.
//
//   # the shop's router
//   node 3b6a27bc...64 hex digits name=shop routes=10.20.0.0/16,fd20::/64 addresses=10.86.9.1 groups=routers
//
//   authority 79b5562e...64 hex digits name=acme

import { formatAddress, formatPrefix, parseAddress, parsePrefix } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import type { IpAddress, Prefix } from '../core/types.js';
import { parseNodeId } from './identity.js';
import { isNodeName } from './record.js';
import type { NodeId } from './types.js';

export interface TrustedKey {
  /** A node, for itself; or an authority, for whom it certifies. */
  readonly kind: 'node' | 'authority';
  readonly id: NodeId;
  /** A node must go by this name; null = any. An authority's is for people. */
  readonly name: string | null;
  /** What a node has without a certificate; default: nothing. An authority's certificates say it. */
  readonly groups?: readonly string[];
  readonly addresses?: readonly IpAddress[];
  readonly routes?: readonly Prefix[];
}

type Option = 'name' | 'groups' | 'addresses' | 'routes';

const OPTIONS: Readonly<Record<TrustedKey['kind'], readonly Option[]>> = {
  node: ['name', 'groups', 'addresses', 'routes'],
  authority: ['name'],
};

const FORM = 'node|authority KEY [name=NAME]';

/**
 * @param text of the file: one key; blank lines and comments (#) besides
 * @param fileName for errors
 * @throws WeftError ETRUST, with file, line and remedy
 */
export function parseTrustedKey(text: string, fileName: string): TrustedKey {
  let key: TrustedKey | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.replace(/#.*/, '').split(/\s+/).filter(Boolean);
    if (words.length === 0) continue;
    const fail: Fail = (message) => {
      throw new WeftError('ETRUST', `${fileName}:${index + 1}: ${message}`);
    };
    if (key !== null) fail('a second key; put each key into a file of its own');
    key = parseLine(words, fail);
  }
  if (key === null) {
    throw new WeftError(
      'ETRUST',
      `${fileName}:1: no key in this file; write "${FORM}" or remove it`,
    );
  }
  return key;
}

type Fail = (message: string) => never;

function parseLine(words: readonly string[], fail: Fail): TrustedKey {
  const [kind = '', keyText = '', ...options] = words;
  if (kind !== 'node' && kind !== 'authority') {
    return fail(`"${kind}" is neither "node" nor "authority"; write "${FORM}"`);
  }
  const id = parseNodeId(keyText) ?? fail(notAKey(keyText));
  const values = new Map<string, string>();
  for (const option of options) {
    const [name = '', value = ''] = splitAtEquals(option);
    if (!(OPTIONS[kind] as readonly string[]).includes(name)) {
      fail(`unknown option "${name}"; ${kind} keys know ${OPTIONS[kind].join(', ')}`);
    }
    if (values.has(name)) fail(`"${name}" is given twice; join the values with commas`);
    if (value === '') fail(`"${name}" has no value; write ${name}=VALUE without spaces`);
    values.set(name, value);
  }
  const list = (name: Option) => values.get(name)?.split(',') ?? [];
  const addresses = list('addresses').map((item) => parseIp(item, fail));
  if (
    addresses.length > 2 ||
    (addresses.length === 2 && addresses[0]?.length === addresses[1]?.length)
  ) {
    fail('more than one address of a family; a node has one IPv4 and one IPv6 address');
  }
  const name = values.get('name') ?? null;
  return {
    kind,
    id,
    name: name === null ? null : parseLabel(name, 'name', fail),
    groups: list('groups').map((item) => parseLabel(item, 'group', fail)),
    addresses,
    routes: list('routes').map((item) => parseRoute(item, fail)),
  };
}

function splitAtEquals(option: string): [string, string] {
  const at = option.indexOf('=');
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
}

function notAKey(text: string): string {
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) {
    return 'this is a WireGuard key (base64); weft trusts identities, 64 hex digits: run `weft show` on that node';
  }
  return `"${text}" is no identity; it has 64 hex digits: run \`weft show\` on that node`;
}

function parseLabel(text: string, what: string, fail: Fail): string {
  if (isNodeName(text)) return text;
  return fail(`"${text}" is no ${what}; use a-z, 0-9 and hyphens, at most 63`);
}

function parseIp(text: string, fail: Fail): IpAddress {
  return parseAddress(text) ?? fail(`"${text}" is no IP address; write it without a prefix length`);
}

function parseRoute(text: string, fail: Fail): Prefix {
  const prefix = parsePrefix(text);
  return prefix ?? fail(`"${text}" is no prefix; write it as 10.20.0.0/16 or fd20::/64`);
}

/** The file that `parseTrustedKey` reads. */
export function formatTrustedKey(key: TrustedKey): string {
  const options: [Option, string][] = [
    ['name', key.name ?? ''],
    ['groups', (key.groups ?? []).join(',')],
    ['addresses', (key.addresses ?? []).map(formatAddress).join(',')],
    ['routes', (key.routes ?? []).map(formatPrefix).join(',')],
  ];
  const given = options
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${value}`);
  return `${[key.kind, key.id, ...given].join(' ')}\n`;
}
