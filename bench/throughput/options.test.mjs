/** Command lines of bench/throughput: what they choose, and that a slip is told, not guessed at. */
import { describe, expect, it } from 'vitest';
import { TESTS } from './measurements.mjs';
import { METRICS } from './metrics.mjs';
import { parseOptions } from './options.mjs';

describe('parseOptions', () => {
  it('runs a preset as it is', () => {
    const { plan, builtIn, congestion } = parseOptions(['--preset', 'goals']);
    expect(plan.map(({ mode }) => mode)).toEqual(['offloads', 'wire']);
    expect(plan[1].tests).toEqual(['tcp']);
    expect(builtIn).toEqual(['wireguard-go', 'boringtun', 'weft']);
    expect(congestion).toEqual(['cubic']);
  });

  it('lets single options change a preset', () => {
    const options = parseOptions(['--mode', 'both', '--tests', 'memory,tcp', '--cc', 'bbr']);
    expect(options.plan).toEqual([
      { mode: 'offloads', tests: ['tcp', 'memory'] },
      { mode: 'wire', tests: ['tcp', 'memory'] },
    ]);
    expect(options.congestion).toEqual(['bbr']);
    expect(options.rounds).toBe(2);
    expect(parseOptions(['--mode', 'wire-gro']).plan[0].mode).toBe('wire-gro');
  });

  it('takes further candidates', () => {
    const { added } = parseOptions(['--candidate', 'old=wg:x {if}', '--candidate', 'p=script:/p']);
    expect(added).toEqual([
      { name: 'old', kind: 'wireguard', command: 'x {if}' },
      { name: 'p', kind: 'script', command: '/p' },
    ]);
  });

  it.each([
    [['--preset', 'slow'], /quick, full, goals/],
    [['--rounds', '0'], /--rounds 0/],
    [['--tests', 'tcp,udp'], /--tests udp/],
    [['--tests', ','], /empty/],
    [['--mode', 'gso'], /--mode gso/],
    [['--candidates', 'openvpn'], /--candidates openvpn/],
    [['--candidate', 'weft=wg:x {if}'], /built in/],
    [['--candidate', 'x=wg:x'], /no \{if\}/],
    [['--candidate', 'x=x {if}'], /NAME=wg:COMMAND or NAME=script:PATH/],
    [['--fast'], /--fast/],
  ])('refuses %j', (argv, reason) => {
    expect(() => parseOptions(argv)).toThrow(reason);
  });
});

it('every metric belongs to a test', () => {
  for (const { name, test } of METRICS) expect(Object.keys(TESTS), name).toContain(test);
});
