// A call beside other traffic (native/bench/udp_call.cc): steady datagrams in one direction, and what a listener notices.
import { join } from 'node:path';
import { buildBenchmarks } from '../../bench/native/build.mjs';
import type { Namespace, Network } from './harness.js';
import { pause, until } from './process.js';

const PORT = '5203';

export interface CallReport {
  readonly received: number;
  readonly missing: number;
  readonly copies: number;
  /** Datagrams that came after one that was sent later. */
  readonly inversions: number;
  readonly longestSilenceMs: number;
  readonly delayMs: { readonly min: number; readonly p50: number; readonly p99: number };
}

export interface CallOptions {
  readonly seconds: number;
  readonly pps?: number;
  /** Payload bytes. */
  readonly size?: number;
  /** Default: EF. */
  readonly dscp?: number;
}

/** Begins to talk; `done` is what was heard. */
export async function startCall(
  net: Network,
  listener: Namespace,
  talker: Namespace,
  address: string,
  { seconds, pps = 50, size = 172, dscp = 46 }: CallOptions,
): Promise<{ done: Promise<CallReport> }> {
  const program = join(await buildBenchmarks(['udp_call']), 'udp_call');
  const receiver = net.spawn(listener, [program, 'receive', address, PORT]);
  await until('the listener is there', () => receiver.output.includes('ready'));
  const options = { seconds, pps, size, dscp };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const sender = talker.check([program, 'send', address, PORT, ...words], {
    timeoutMs: (seconds + 20) * 1000,
  });
  const finish = async (): Promise<CallReport> => {
    await sender;
    await pause(1000); // what is under way comes too
    await receiver.stop();
    return JSON.parse(receiver.output.replace('ready\n', '')) as CallReport;
  };
  return { done: finish() };
}
