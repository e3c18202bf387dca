import { describe, expect, test } from 'vitest';
import { parseArguments, parseDescriptor } from './arguments.js';

describe('the command line', () => {
  test.each([
    [['wg0'], {}, { type: 'run', interfaceName: 'wg0', foreground: false }],
    [['-f', 'wg0'], {}, { type: 'run', interfaceName: 'wg0', foreground: true }],
    [['--foreground', 'wg0'], {}, { type: 'run', interfaceName: 'wg0', foreground: true }],
    [
      ['wg0'],
      { WG_PROCESS_FOREGROUND: '1' },
      { type: 'run', interfaceName: 'wg0', foreground: true },
    ],
    [
      ['wg0'],
      { WG_PROCESS_FOREGROUND: '0' },
      { type: 'run', interfaceName: 'wg0', foreground: false },
    ],
    [['--counters', 'wg0'], {}, { type: 'counters', interfaceName: 'wg0' }],
    [['--watch', 'wg0'], {}, { type: 'watch', interfaceName: 'wg0' }],
    [['--version'], {}, { type: 'version' }],
    [['--help'], {}, { type: 'help' }],
    [['-h'], {}, { type: 'help' }],
  ])('%j with %j', (argv, environment, command) => {
    expect(parseArguments(argv, environment)).toEqual(command);
  });

  test.each([
    [[]],
    [['-f']],
    [['--counters']],
    [['--watch']],
    [['-x']],
    [['wg0', 'wg1']],
    [['-f', 'wg0', 'wg1']],
    [['-f', '-f']],
  ])('%j is misuse', (argv) => {
    expect(parseArguments(argv, {})).toMatchObject({ type: 'misuse' });
  });
});

test('descriptors are small decimals', () => {
  expect(['3', '', undefined, 'x', '-1', '3.5', '1e1'].map(parseDescriptor)).toEqual([
    3,
    undefined,
    undefined,
    null,
    null,
    null,
    null,
  ]);
});
