/** Command line of bench/throughput. */
import { parseArgs } from 'node:util';
import { BUILT_IN_NAMES, parseCandidate } from './candidates.mjs';
import { BenchError } from './errors.mjs';
import { goalsPlan } from './goals.mjs';
import { TESTS } from './measurements.mjs';
import { VETH_MODES } from './topology.mjs';

const BOTH_CC = ['cubic', 'bbr'];
const BOTH_MODES = ['offloads', 'wire'];

/**
 * `plan`: which tests run in which veth mode. --tests and --mode replace it by their product, --cc
 * the congestion controls.
 */
const PRESETS = {
  quick: {
    rounds: 2,
    seconds: 2,
    candidates: ['plain', 'wireguard-go', 'weft'],
    congestion: ['cubic'],
    plan: [{ mode: 'offloads', tests: ['ping', 'tcp', 'udp64', 'ping-load', 'memory'] }],
  },
  full: {
    rounds: 3,
    seconds: 4,
    candidates: ['plain', 'kernel', 'wireguard-go', 'boringtun', 'gotatun', 'weft'],
    congestion: BOTH_CC,
    plan: BOTH_MODES.map((mode) => ({ mode, tests: Object.keys(TESTS) })),
  },
  goals: {
    rounds: 5,
    seconds: 3,
    candidates: ['wireguard-go', 'boringtun', 'weft'],
    congestion: ['cubic'],
    plan: goalsPlan(),
  },
};

export const USAGE = `usage: sudo bench/throughput/run.mjs [options]

Measures WireGuard implementations between two network namespaces, round by round in turn.
Prints a table: median [lowest-highest] of the rounds, and the ratio to the baseline.

  --preset quick|goals|full
                          quick (default): under 3 minutes; goals: the project's goals for speed,
                          with a table of them, about 25 minutes; full: everything, about two hours
  --rounds N              rounds, each with every candidate in turn
  --seconds S             length of one test
  --tests LIST            ${Object.keys(TESTS).join(',')}
  --candidates LIST       ${BUILT_IN_NAMES.join(',')}
  --candidate NAME=wg:COMMAND
                          one more: a shell command that makes the interface {if} and is configured
                          by wg through its control socket
  --candidate NAME=script:PATH
                          one more: a program that brings up a tunnel by itself (bench/README.md)
  --baseline NAME         whom the ratios refer to (default wireguard-go)
  --mode offloads|wire|wire-gro|both
                          veth with its offloads; with tx-udp-segmentation off, as on a wire; the
                          same with GRO where it ends, as network cards have it; the first two
  --cc cubic|bbr|both     TCP congestion control of the test streams
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

const oneOrBoth = (name, text, both, all = both) =>
  choices(name, text === 'both' ? both : [text], all);

function chosenPlan(values, preset) {
  const modes = values.mode ? oneOrBoth('mode', values.mode, BOTH_MODES, VETH_MODES) : null;
  const tests = values.tests
    ? choices('tests', list(values.tests), Object.keys(TESTS))
    : [...new Set(preset.plan.flatMap((step) => step.tests))];
  const plan =
    modes || values.tests
      ? (modes ?? preset.plan.map(({ mode }) => mode)).map((mode) => ({ mode, tests }))
      : preset.plan;
  // Always in the order in which a session runs them.
  const inOrder = (wanted) => Object.keys(TESTS).filter((test) => wanted.includes(test));
  return plan.map((step) => ({ mode: step.mode, tests: inOrder(step.tests) }));
}

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
  const presetName = values.preset ?? 'quick';
  const preset = PRESETS[presetName];
  if (!preset) {
    throw new BenchError(`--preset ${presetName}: want ${Object.keys(PRESETS).join(', ')}`);
  }
  const names = values.candidates ? list(values.candidates) : preset.candidates;
  return {
    help: values.help ?? false,
    rounds: values.rounds ? positive('rounds', values.rounds) : preset.rounds,
    seconds: values.seconds ? positive('seconds', values.seconds) : preset.seconds,
    preset: presetName,
    plan: chosenPlan(values, preset),
    builtIn: choices('candidates', names, BUILT_IN_NAMES),
    added: (values.candidate ?? []).map(parseCandidate),
    baseline: values.baseline ?? 'wireguard-go',
    congestion: values.cc ? oneOrBoth('cc', values.cc, BOTH_CC) : preset.congestion,
    lxc: values.lxc ?? false,
    json: values.json,
    html: values.html,
  };
}
