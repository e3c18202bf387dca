import { expect, test } from 'vitest';
import { formatBytes, formatMs, formatSeconds, parseDuration, table } from './format.js';

test.each([
  [0, '0s'],
  [59.9, '59s'],
  [123, '2m03s'],
  [11_220, '3h07m'],
  [273_700, '3d4h'],
  [-5, '0s'],
])('%d s is %s', (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

test.each([
  [0, '0'],
  [999, '999'],
  [9_100, '9.1k'],
  [55_000_000, '55M'],
  [999_600, '1.0M'],
  [4_200_000_000, '4.2G'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [null, '-'],
  [0.421, '0.42ms'],
  [8.13, '8.1ms'],
  [112.4, '112ms'],
])('%s ms are %s', (ms, text) => expect(formatMs(ms)).toBe(text));

test.each([
  ['90s', 90],
  ['30m', 1_800],
  ['24h', 86_400],
  ['7d', 604_800],
  ['2y', 63_072_000],
  ['0s', null],
  ['1', null],
  ['h', null],
  ['1w', null],
  ['-1h', null],
  ['9999999999s', null],
])('%j is %s s', (text, seconds) => expect(parseDuration(text)).toBe(seconds));

test('columns are as wide as their widest cell', () => {
  expect(
    table([
      ['A', 'BBB', ''],
      ['AAAA', 'B', ''],
    ]),
  ).toBe('A     BBB\nAAAA  B\n');
});
