// `weft-wg --counters IF` and `--watch IF`: ask a running node over its UAPI socket, and work out what the counts mean.

import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '../core/errors.js';
import { socketPathOf } from '../node/uapi-server.js';

/** Since the start of the node, by name. */
export interface Counters {
  readonly drops: Readonly<Record<string, number>>;
  readonly engine: Readonly<Record<string, number>>;
  readonly device: Readonly<Record<string, number>>;
}

/** Averages: name, what is divided (a sum of counts), by what. */
const AVERAGES: readonly (readonly [string, readonly string[], string])[] = [
  ['bytes_per_tun_read', ['tun_read_bytes'], 'tun_reads'],
  ['segments_per_tun_read', ['sent_packets'], 'tun_reads'],
  ['datagrams_per_send_call', ['sent_packets'], 'send_calls'],
  ['datagrams_per_receive_call', ['received_packets'], 'receive_calls'],
  ['packets_per_tun_write', ['tun_write_packets'], 'tun_writes'],
  ['datagrams_per_wait', ['sent_packets', 'received_packets'], 'waits'],
];

const round = (value: number) => Math.round(value * 100) / 100;

/** How well the engine batches. What was never done has no average. Keepalives count as segments. */
export function averages(engine: Counters['engine']): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [name, parts, by] of AVERAGES) {
    const times = engine[by] ?? 0;
    if (times === 0) continue;
    result[name] = round(parts.reduce((sum, part) => sum + (engine[part] ?? 0), 0) / times);
  }
  return result;
}

/** What was counted between two readings; a count that stood still is left out. */
function increase(before: Readonly<Record<string, number>>, after: typeof before) {
  const entries = Object.entries(after).map(
    ([name, count]) => [name, count - (before[name] ?? 0)] as const,
  );
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

/**
 * Counts a second between two readings, and the averages of that time.
 * @param seconds between them, > 0
 */
export function rates(before: Counters, after: Counters, seconds: number) {
  const counts = (key: keyof Counters) => increase(before[key], after[key]);
  const perSecond = (key: keyof Counters) =>
    Object.fromEntries(
      Object.entries(counts(key)).map(([name, count]) => [name, round(count / seconds)]),
    );
  return {
    drops: perSecond('drops'),
    engine: perSecond('engine'),
    device: perSecond('device'),
    averages: averages(counts('engine')),
  };
}

/** @throws WeftError ENOTRUNNING if nothing serves the interface */
function ask(interfaceName: string): Promise<Counters> {
  return new Promise((resolve, reject) => {
    let text = '';
    const failed = (reason: string) => {
      const message = `cannot ask ${interfaceName} (${reason}): is it running, and are you root?`;
      reject(new WeftError('ENOTRUNNING', message));
    };
    const socket = connect(socketPathOf(interfaceName), () => socket.end('counters=1\n\n'));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('end', () => {
      try {
        resolve(JSON.parse(text) as Counters);
      } catch {
        failed('no counters in its answer');
      }
    });
    socket.on('error', (error) => failed(error.message));
  });
}

/** One line of JSON. */
export async function printCounters(interfaceName: string): Promise<void> {
  const counters = await ask(interfaceName);
  print({ ...counters, averages: averages(counters.engine) });
}

/** A line of JSON each second, with the rates of that second. Ends with the node: see ask(). */
export async function watchCounters(interfaceName: string): Promise<never> {
  let before = await ask(interfaceName);
  let since = performance.now();
  for (;;) {
    await delay(1000);
    const after = await ask(interfaceName);
    const now = performance.now();
    print(rates(before, after, (now - since) / 1000));
    [before, since] = [after, now];
  }
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
