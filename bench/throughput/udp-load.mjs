/** native/bench/udp_load as the load: numbered datagrams from end A to end B. */
import { join } from 'node:path';
import { buildBenchmarks } from '../native/build.mjs';
import { Child, waitFor } from './command.mjs';
import { BenchError } from './errors.mjs';
import { parseUdpLoad } from './parse.mjs';
import { inside } from './topology.mjs';

const PORT = '5202';
/** Beyond a sender's own length, and for a tunnel's queues to run empty after it. */
const SLACK_MS = 10_000;

/** @type {Promise<string> | null} */
let program = null;

/** Path of the program, built on first use. */
export function udpLoadProgram() {
  program ??= buildBenchmarks(['udp_load']).then((directory) => join(directory, 'udp_load'));
  return program;
}

/**
 * @param {import('./session.mjs').Session} session
 * @param {{size: number, seconds: number, pps?: number}} load payload bytes; without pps a flood
 * @returns {Promise<import('./parse.mjs').UdpResult>}
 */
export async function sendDatagrams(session, load) {
  const { sender, finish } = await startDatagrams(session, load);
  const timer = setTimeout(() => void sender.stop(), load.seconds * 1000 + SLACK_MS);
  const unwatch = session.watchMemory();
  await sender.exit;
  clearTimeout(timer);
  unwatch();
  return finish();
}

/** The same, begun. `finish` waits for the sender's end and returns the result. */
export async function startDatagrams(session, { size, seconds, pps }) {
  const { a, b } = session;
  const path = await udpLoadProgram();
  const receiver = new Child(inside(b.netns, [path, 'receive', b.target, PORT]));
  await waitFor('udp_load receiver', 5000, () => {
    if (receiver.ended) throw new BenchError(`udp_load receive: ${receiver.complaint()}`);
    return receiver.stderr().includes('ready');
  });
  const argv = [path, 'send', b.target, PORT, '--size', `${size}`, '--seconds', `${seconds}`];
  if (pps) argv.push('--pps', `${pps}`);
  const sender = new Child(inside(a.netns, argv));
  const finish = async () => {
    const codes = [await sender.exit];
    // Not by stop(), which would lose patience: the receiver waits until the queues have run empty.
    receiver.signal('SIGTERM');
    const timer = setTimeout(() => void receiver.stop(), SLACK_MS);
    codes.push(await receiver.exit);
    clearTimeout(timer);
    session.checkAlive();
    const [sent, received] = [sender.stdout(), receiver.stdout()];
    const complaint = `${sender.complaint()}; ${receiver.complaint()}`;
    for (const child of [sender, receiver]) child.removeOutput();
    if (codes.some((code) => code !== 0)) throw new BenchError(`udp_load: ${complaint}`);
    return parseUdpLoad(sent, received);
  };
  return { sender, receiver, finish };
}
