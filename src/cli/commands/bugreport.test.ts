import { expect, test } from 'vitest';
import { hideKeys, redactor } from './bugreport.js';

test('secrets are hidden', () => {
  const text = '[Peer]\n  PresharedKey = abc=\nprivatekey=def\nsee weft1:AAAA_bb-c for more';
  expect(hideKeys(text)).toBe(
    '[Peer]\n  PresharedKey = (hidden)\nprivatekey=(hidden)\nsee weft1:(hidden) for more',
  );
});

test('secrets in comments are hidden too', () => {
  expect(hideKeys('[Peer]\n#PresharedKey = abc=\n ; # PrivateKey=def')).not.toMatch(/abc|def/);
});

test('the same address is the same word, in every section', () => {
  const redact = redactor();
  const first = redact('from 10.86.1.2 and fd00:99::1 to 10.86.1.3');
  expect(first).not.toMatch(/10\.86|fd00/);
  const [one, , other] = first.match(/<[^>]+>/g) ?? [];
  expect(redact('10.86.1.2')).toBe(first.split(' ')[1]);
  expect(one).not.toBe(other);
  expect(redact('a'.repeat(64))).toMatch(/^<id-\d+>$/);
  expect(redact('xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=')).toMatch(/^<key-\d+>$/);
  expect(redact('[fd00::1]:51820, 192.0.2.1:7.')).toMatch(/^\[<ip-\d+>\]:51820, <ip-\d+>:7\.$/);
  expect(redact('12:30:45 and 1.5 ms')).toBe('12:30:45 and 1.5 ms');
});
