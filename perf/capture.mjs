/**
 * perf/capture.sh: two nodes under load, where does the time go?
 *
 *   Session (two namespaces) -> runLoad with `perf record` in its midst -> perf script -> stacks -> files
 *
 * Writes into --out: flamegraph.svg, stacks.folded, perf-report.txt, stages.txt, capture.json (for perf/diff).
 */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtInCandidate } from '../bench/throughput/candidates.mjs';
import { Child, run, scratch, stopAll, succeeds } from '../bench/throughput/command.mjs';
import { canCountCycles } from '../bench/throughput/measurements.mjs';
import { Session } from '../bench/throughput/session.mjs';
import { destroyTopology } from '../bench/throughput/topology.mjs';
import { renderFlameGraph } from './flamegraph.mjs';
import { LOADS, runLoad } from './loads.mjs';
import { fold, formatFolded, linesOf, parseSamples, SCRIPT_FIELDS, total } from './stacks.mjs';
import { formatStages, stageWeights } from './stages.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** A prime, so that nothing periodic in the machine runs in step with it. */
const FREQUENCY = 499;
const REPORT_TIMEOUT_MS = 300_000;
const USAGE = `usage: sudo perf/capture.sh [seconds] [workers] [options]

Records two nodes under load and shows where the time goes. seconds: 10. workers: the engine "workers" with so many
threads; without it the engine is what the node chooses.

  --load ${Object.keys(LOADS).join('|')}   default tcp; wire: tx-udp-segmentation off on the veth
  --out DIRECTORY                     default bench-results
`;

function parseOptions(argv) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      load: { type: 'string', default: 'tcp' },
      out: { type: 'string', default: join(root, 'bench-results') },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const whole = (name, text, most) => {
    if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > most) {
      throw new Error(`${name} ${text}: want a whole number from 1 to ${most}`);
    }
    return Number(text);
  };
  if (!(values.load in LOADS))
    throw new Error(`--load ${values.load}: want ${Object.keys(LOADS).join(', ')}`);
  if (positionals.length > 2) throw new Error('too many arguments');
  return {
    help: values.help,
    load: values.load,
    out: resolve(values.out),
    seconds: whole('seconds', positionals[0] ?? '10', 600),
    workers: positionals[1] === undefined ? null : whole('workers', positionals[1], 64),
  };
}

async function checkMachine() {
  if (process.getuid() !== 0)
    throw new Error('needs root, for network namespaces and system-wide recording');
  const install = 'apt-get install --no-install-recommends';
  for (const [argv, debianPackage] of [
    [['perf', '--version'], 'linux-perf'],
    [['iperf3', '--version'], 'iperf3'],
    [['ip', '-V'], 'iproute2'],
    [['ping', '-V'], 'iputils-ping'],
    [['ethtool', '--version'], 'ethtool'],
    [['wg', '--version'], 'wireguard-tools'],
  ]) {
    if (!(await succeeds(argv))) throw new Error(`no ${argv[0]}: ${install} ${debianPackage}`);
  }
}

/** Cycles where the machine counts them, else CPU time: virtual machines often have no counters. */
const chooseEvent = async () =>
  (await canCountCycles())
    ? { event: 'cycles', quantity: 'cycles' }
    : { event: 'cpu-clock', quantity: 'ns' };

async function candidate(workers) {
  const weft = await builtInCandidate('weft');
  if (weft.missing) throw new Error(`${weft.missing}: run scripts/setup first`);
  const env = { ...weft.env, NODE_OPTIONS: '--perf-basic-prof' };
  if (workers !== null) Object.assign(env, { WEFT_ENGINE: 'workers', WEFT_WORKERS: `${workers}` });
  return { ...weft, env };
}

/** @returns the samples' file, the rate of the load, and the processes of each end */
async function record(session, { load, seconds }, event) {
  const data = join(scratch, 'perf.data');
  const ends = {};
  const rate = await runLoad(session, load, seconds, async () => {
    ends.sender = await processesIn(session.a.netns);
    ends.receiver = await processesIn(session.b.netns);
    const what = ['-a', '-F', `${FREQUENCY}`, '-g', '--call-graph', 'fp', '-e', event];
    await run(['perf', 'record', '-q', ...what, '-o', data, '--', 'sleep', `${seconds}`], {
      timeoutMs: (seconds + 30) * 1000,
    });
  });
  session.checkAlive();
  return { data, rate, ends };
}

/** The nodes' and the load's alike. */
async function processesIn(netns) {
  const text = await run(['ip', 'netns', 'pids', netns]);
  return text.trim().split('\n').map(Number);
}

/** A tool's output in a file: it is too long for a string. */
async function output(argv) {
  const child = new Child(argv);
  const killer = setTimeout(() => void child.stop(), REPORT_TIMEOUT_MS);
  const code = await child.exit;
  clearTimeout(killer);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${child.complaint()}`);
  return child.stdoutPath;
}

async function nodeCounters(session) {
  const counters = {};
  for (const [end, { interfaceName }] of [
    ['sender', session.a],
    ['receiver', session.b],
  ]) {
    counters[end] = JSON.parse(await run([join(root, 'bin/weft-wg'), '--counters', interfaceName]));
  }
  return counters;
}

function write(directory, name, text) {
  writeFileSync(join(directory, name), text);
  process.stderr.write(`wrote ${join(directory, name)}\n`);
}

async function capture(options) {
  await checkMachine();
  const { event, quantity } = await chooseEvent();
  const node = await candidate(options.workers);
  const session = new Session(node, LOADS[options.load].mode, { lxc: false });
  let maps = [];
  try {
    await session.start();
    maps = session.pids().map((pid) => `/tmp/perf-${pid}.map`);
    const { data, rate, ends } = await record(session, options, event);
    const counters = await nodeCounters(session);
    // While the processes live, so that perf finds what JavaScript was compiled to.
    const script = ['perf', 'script', '-i', data, '--no-inline', '-F', SCRIPT_FIELDS];
    const samples = parseSamples(linesOf(await output(script)));
    const stacks = await fold(samples, ends);
    const report = [
      'perf',
      'report',
      '-i',
      data,
      '--stdio',
      '--no-inline',
      '--no-children',
      '-g',
      'none',
    ];
    const reportPath = await output([...report, '--sort', 'comm,dso,symbol']);
    await save(options, { node, event, quantity, rate, counters, stacks, reportPath });
  } finally {
    await session.stop();
    for (const map of maps) rmSync(map, { force: true });
  }
}

async function save(options, { node, event, quantity, rate, counters, stacks, reportPath }) {
  const { load, seconds, workers, out } = options;
  if (stacks.size === 0) throw new Error('perf recorded no samples');
  const { unit } = LOADS[load];
  const engine = workers === null ? 'default engine' : `${workers} workers`;
  const title = `weft ${node.version}: ${LOADS[load].title}, ${engine}, ${rate.said}`;
  const machine = `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Linux ${release()}`;
  const work = { quantity, unit, units: rate.perSecond * seconds };
  const weights = stageWeights(stacks);
  const about = { title, startedAt: new Date().toISOString(), machine, load, seconds, workers };
  const table = formatStages(weights, work);
  mkdirSync(out, { recursive: true });
  const capture = { ...about, event, ...work, weight: total(stacks), stages: weights, counters };
  write(out, 'capture.json', `${JSON.stringify(capture, null, 1)}\n`);
  write(out, 'stacks.folded', formatFolded(stacks));
  const averages = Object.entries(counters).map(
    ([end, { averages }]) => `${end}: ${JSON.stringify(averages)}\n`,
  );
  const text = `${title}\n${machine}, ${event} at ${FREQUENCY} Hz\n\n${table}\n${averages.join('')}`;
  write(out, 'stages.txt', text);
  write(out, 'flamegraph.svg', renderFlameGraph(stacks, { title, subtitle: machine }));
  copyFileSync(reportPath, join(out, 'perf-report.txt'));
  process.stdout.write(text);
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (!existsSync(join(root, 'node_modules')))
    throw new Error('not set up: run scripts/setup first');
  // V8 leaves its log in the directory that it was started in.
  process.chdir(scratch);
  await capture(options);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void stopAll());

try {
  await main();
} catch (error) {
  process.stderr.write(`perf/capture.sh: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await stopAll();
  await destroyTopology();
  process.chdir('/');
}
