import { describe, expect, test } from 'vitest';
import { parseClassRule } from './class-rules.js';

const ANY = { dscp: null, protocol: null, firstPort: 0, lastPort: 65535, maxLength: 65535 };

describe('a class rule', () => {
  test.each([
    ['bulk', { ...ANY, class: 'bulk' }],
    [
      'latency udp port 5000-5100',
      { ...ANY, class: 'latency', protocol: 'udp', firstPort: 5000, lastPort: 5100 },
    ],
    [
      'Sparse TCP port 22 size 300',
      { ...ANY, class: 'sparse', protocol: 'tcp', firstPort: 22, lastPort: 22, maxLength: 300 },
    ],
    ['latency dscp EF', { ...ANY, class: 'latency', dscp: 46 }],
    ['bulk dscp cs1', { ...ANY, class: 'bulk', dscp: 8 }],
    ['bulk dscp af41', { ...ANY, class: 'bulk', dscp: 34 }],
    ['bulk dscp 63', { ...ANY, class: 'bulk', dscp: 63 }],
  ])('%s', (text, rule) => {
    expect(parseClassRule(text)).toEqual(rule);
  });

  test.each([
    '',
    'fast',
    'latency sctp',
    'latency port',
    'latency port 5-4',
    'latency port 1-2-3',
    'latency port 65536',
    'latency dscp 64',
    'latency dscp gold',
    'latency size 0',
    'latency tcp udp',
    'latency port 1 port 2',
    'udp latency',
  ])('%j is none', (text) => {
    expect(parseClassRule(text)).toBeNull();
  });
});
