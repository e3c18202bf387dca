// Class rules from text: which packets are calls, and which are not, where the data plane's own rules err.
//
//   CLASS [tcp|udp] [port N[-M]] [dscp NAME|N] [size N]      such as "latency udp port 5000-5100"

import { parseDecimal } from '../core/address.js';
import type { BondClass, BondClassRule } from '../core/bond.js';

const CLASSES: readonly BondClass[] = ['bulk', 'sparse', 'latency'];
const MAX_PORT = 65_535;
const MAX_SIZE = 65_535;

/** Null if it is none, or says a thing twice. */
export function parseClassRule(text: string): BondClassRule | null {
  const [name, ...words] = text.toLowerCase().split(/\s+/);
  const cls = CLASSES.find((each) => each === name);
  if (cls === undefined) return null;
  const rule = {
    dscp: null as number | null,
    protocol: null as 'tcp' | 'udp' | null,
    firstPort: 0,
    lastPort: MAX_PORT,
    maxLength: MAX_SIZE,
    class: cls,
  };
  const seen = new Set<string>();
  while (words.length > 0) {
    const word = words.shift() ?? '';
    const what = word === 'tcp' || word === 'udp' ? 'protocol' : word;
    if (seen.has(what)) return null;
    seen.add(what);
    if (word === 'tcp' || word === 'udp') rule.protocol = word;
    else if (!readValue(rule, word, words.shift() ?? '')) return null;
  }
  return rule;
}

function readValue(
  rule: { -readonly [K in keyof BondClassRule]: BondClassRule[K] },
  word: string,
  value: string,
): boolean {
  if (word === 'port') {
    const [first, last] = portsOf(value);
    if (first === null || last === null || first > last) return false;
    rule.firstPort = first;
    rule.lastPort = last;
    return true;
  }
  if (word === 'dscp') {
    rule.dscp = parseDscp(value);
    return rule.dscp !== null;
  }
  const size = word === 'size' ? parseDecimal(value, MAX_SIZE) : null;
  if (size === null || size === 0) return false;
  rule.maxLength = size;
  return true;
}

function portsOf(text: string): readonly [number | null, number | null] {
  const [first = '', last = first, ...more] = text.split('-');
  if (more.length > 0) return [null, null];
  return [parseDecimal(first, MAX_PORT), parseDecimal(last, MAX_PORT)];
}

/** 0-63, or a name: EF (RFC 3246), VA (RFC 5865), LE (RFC 8622), CS0-CS7 (RFC 2474), AF11-AF43 (RFC 2597). */
function parseDscp(text: string): number | null {
  const named: Readonly<Record<string, number>> = { ef: 46, va: 44, le: 1 };
  const selector = /^cs([0-7])$/.exec(text);
  if (selector !== null) return Number(selector[1]) * 8;
  const forwarding = /^af([1-4])([1-3])$/.exec(text);
  if (forwarding !== null) return Number(forwarding[1]) * 8 + Number(forwarding[2]) * 2;
  return named[text] ?? parseDecimal(text, 63);
}
