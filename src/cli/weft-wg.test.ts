import { beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from './weft-wg.js';

let stdout: string;
let stderr: string;

beforeEach(() => {
  stdout = '';
  stderr = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
});

describe('weft-wg', () => {
  test('prints its version', async () => {
    expect(await main(['--version'], '')).toBe(0);
    expect(stdout).toMatch(/^weft-wg \d+\.\d+\.\d+\n$/);
  });

  test('prints its usage', async () => {
    expect(await main(['--help'], '')).toBe(0);
    expect(stdout).toContain('Usage: weft-wg [-f|--foreground] INTERFACE');
  });

  test.each([[[]], [['--what']], [['a', 'b']]])('refuses %j with one line', async (argv) => {
    expect(await main(argv, '')).toBe(1);
    expect(stderr).toMatch(/^weft-wg: [^\n]+\n$/);
    expect(stdout).toBe('');
  });

  test('refuses an invalid interface name with one line', async () => {
    expect(await main(['-f', 'much-too-long-a-name'], '')).toBe(1);
    expect(stderr).toMatch(/^weft-wg: invalid interface name [^\n]+\n$/);
  });

  test.each(['--counters', '--watch'])('says that nothing runs to ask by %s', async (option) => {
    expect(await main([option, 'no-such-if'], '')).toBe(1);
    expect(stderr).toMatch(/^weft-wg: cannot ask no-such-if [^\n]+\n$/);
  });
});
