/** Command line of bench/throughput. */
import { parseArgs } from 'node:util';
import { BUILT_IN_NAMES, parseCandidate } from './candidates.mjs';
import { BenchError } from './errors.mjs';
import { TESTS } from './measurements.mjs';
import { VETH_MODES } from './topology.mjs';

const PRESETS = {
  quick: {
    rounds: 2,
    seconds: 2,
    tests: ['tcp', 'udp64', 'ping', 'ping-load', 'memory'],
    candidates: ['plain', 'wireguard-go', 'weft'],
    modes: ['offloads'],
    congestion: ['cubic'],
  },
  full: {
    rounds: 3,
    seconds: 4,
    tests: Object.keys(TESTS),
    candidates: ['plain', 'kernel', 'wireguard-go', 'boringtun', 'weft'],
    modes: VETH_MODES,
    congestion: ['cubic'],
  },
};

export const USAGE = `usage: sudo bench/throughput/run.mjs [options]

Measures WireGuard implementations between two network namespaces, round by round in turn.
Prints a table: median [lowest-highest] of the rounds, and the ratio to the baseline.

  --preset quick|full     quick: under 3 minutes (default); full: everything, about an hour
  --rounds N              rounds, each with every candidate in turn
  --seconds S             length of one test
  --tests LIST            ${Object.keys(TESTS).join(',')}
  --candidates LIST       ${BUILT_IN_NAMES.join(',')}
  --candidate NAME=COMMAND
                          one more: a shell command that makes the interface {if} and needs no
                          configuration; {local} {peer} {port} are the outer addresses and port
  --candidate NAME=wg:COMMAND
                          the same, configured by wg through its control socket
  --baseline NAME         whom the ratios refer to (default wireguard-go)
  --mode offloads|wire|both
                          veth with its offloads, or with tx-udp-segmentation off, as on a wire
  --cc cubic|bbr|both     TCP congestion control of the test streams (default cubic)
  --lxc                   run the implementations in LXC containers
  --json FILE             write all samples and the summary
  --html FILE             write the report with charts
`;

const list = (text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

function positive(name, text) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3600) {
    throw new BenchError(`--${name} ${text}: want a whole number from 1 to 3600`);
  }
  return value;
}

function choices(name, chosen, allowed) {
  for (const item of chosen) {
    if (!allowed.includes(item)) {
      throw new BenchError(`--${name} ${item}: want some of ${allowed.join(', ')}`);
    }
  }
  if (chosen.length === 0) throw new BenchError(`--${name}: empty`);
  return chosen;
}

const oneOrBoth = (name, text, both) => choices(name, text === 'both' ? both : [text], both);

/** @throws {BenchError} with one line that says what to write instead */
export function parseOptions(argv) {
  let values;
  try {
    const string = { type: 'string' };
    ({ values } = parseArgs({
      args: argv,
      options: {
        preset: string,
        rounds: string,
        seconds: string,
        tests: string,
        candidates: string,
        candidate: { type: 'string', multiple: true },
        baseline: string,
        mode: string,
        cc: string,
        lxc: { type: 'boolean' },
        json: string,
        html: string,
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new BenchError(error.message);
  }
  const preset = PRESETS[values.preset ?? 'quick'];
  if (!preset) throw new BenchError(`--preset ${values.preset}: want quick or full`);
  const names = values.candidates ? list(values.candidates) : preset.candidates;
  const tests = values.tests
    ? choices('tests', list(values.tests), Object.keys(TESTS))
    : preset.tests;
  return {
    help: values.help ?? false,
    rounds: values.rounds ? positive('rounds', values.rounds) : preset.rounds,
    seconds: values.seconds ? positive('seconds', values.seconds) : preset.seconds,
    // Always in the order in which a session runs them.
    tests: Object.keys(TESTS).filter((test) => tests.includes(test)),
    builtIn: choices('candidates', names, BUILT_IN_NAMES),
    added: (values.candidate ?? []).map(parseCandidate),
    baseline: values.baseline ?? 'wireguard-go',
    modes: values.mode ? oneOrBoth('mode', values.mode, VETH_MODES) : preset.modes,
    congestion: values.cc ? oneOrBoth('cc', values.cc, ['cubic', 'bbr']) : preset.congestion,
    lxc: values.lxc ?? false,
    json: values.json,
    html: values.html,
  };
}
