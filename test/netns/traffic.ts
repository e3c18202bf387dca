// Traffic through the tunnel: ping, iperf3, and a TCP stream whose contents are compared.
import { fileURLToPath } from 'node:url';
import type { Namespace, Network } from './harness.js';
import { until } from './process.js';

export interface PingOptions {
  readonly count?: number;
  /** Payload bytes. */
  readonly size?: number;
  /** Seconds to wait if there is no answer at all. */
  readonly waitS?: number;
  /** Seconds between pings; all at once if not given. */
  readonly intervalS?: number;
  readonly args?: readonly string[];
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly output: string;
}

export async function ping(
  from: Namespace,
  address: string,
  options: PingOptions = {},
): Promise<PingResult> {
  const count = options.count ?? 1;
  // Once something was answered, ping waits for the rest only as long as its interval: it must not be short.
  const spacing =
    options.intervalS === undefined ? ['-l', `${count}`] : ['-i', `${options.intervalS}`];
  const done = await from.run(
    [
      'ping',
      '-n',
      '-c',
      `${count}`,
      '-W',
      `${options.waitS ?? 3}`,
      ...spacing,
      ...(options.size === undefined ? [] : ['-s', `${options.size}`]),
      ...(options.args ?? []),
      address,
    ],
    { timeoutMs: ((options.waitS ?? 3) + 20) * 1000 },
  );
  const numbers = done.stdout.match(/(\d+) packets transmitted, (\d+) received/);
  return {
    sent: Number(numbers?.[1] ?? 0),
    received: Number(numbers?.[2] ?? 0),
    output: `${done.stdout}${done.stderr}`,
  };
}

/** Every ping must be answered. */
export async function expectPing(
  from: Namespace,
  address: string,
  options: PingOptions = {},
): Promise<void> {
  const result = await ping(from, address, options);
  if (result.received !== (options.count ?? 1)) throw new Error(result.output);
}

/** No ping may be answered within 0.5 s. */
export async function expectNoPing(
  from: Namespace,
  address: string,
  options: PingOptions = {},
): Promise<PingResult> {
  const result = await ping(from, address, { waitS: 0.5, ...options });
  if (result.sent === 0) throw new Error(result.output);
  if (result.received !== 0) throw new Error(`answered, but must not be: ${result.output}`);
  return result;
}

export interface IperfOptions {
  readonly udp?: boolean;
  readonly reverse?: boolean;
  /** How much to send, as iperf3 writes it; default 20M. */
  readonly amount?: string;
  readonly args?: readonly string[];
}

/** One iperf3 run. Returns what the receiver got, in bytes and Mbit/s. */
export async function iperf(
  net: Network,
  server: Namespace,
  client: Namespace,
  address: string,
  options: IperfOptions = {},
): Promise<{ bytes: number; mbps: number }> {
  const daemon = net.spawn(server, ['iperf3', '-s', '-1', '-B', address]);
  await until(`iperf3 listens on ${address}`, async () =>
    (await server.check(['ss', '-tlnH', 'sport = 5201'])).includes('5201'),
  );
  const words = [
    ...['-J', '-c', address, '-n', options.amount ?? '20M'],
    ...(options.udp ? ['-u', '-b', '300M'] : ['-C', 'cubic']),
    ...(options.reverse ? ['-R'] : []),
    ...(options.args ?? []),
  ];
  const text = await client.check(['iperf3', ...words], { timeoutMs: 45_000 });
  await daemon.exited();
  return received(JSON.parse(text), options.udp ?? false);
}

interface IperfReport {
  readonly end: {
    readonly sum?: { bytes: number; bits_per_second: number; lost_percent?: number };
    readonly sum_received?: { bytes: number; bits_per_second: number };
  };
}

function received(report: IperfReport, udp: boolean): { bytes: number; mbps: number } {
  const sum = udp ? report.end.sum : report.end.sum_received;
  if (sum === undefined) throw new Error('iperf3 reported no sum');
  const delivered = udp ? 1 - (report.end.sum?.lost_percent ?? 0) / 100 : 1;
  return { bytes: sum.bytes * delivered, mbps: (sum.bits_per_second * delivered) / 1e6 };
}

const TCP_STREAM = fileURLToPath(new URL('./tcp-stream.mjs', import.meta.url));

/** Sends `bytes` pseudo-random bytes over TCP. Throws unless the same bytes arrive. */
export async function expectSameBytes(
  net: Network,
  server: Namespace,
  client: Namespace,
  address: string,
  bytes: number,
): Promise<void> {
  const listener = net.spawn(server, ['node', TCP_STREAM, 'receive', address]);
  await until('the receiver listens', () => listener.output.includes('listening'));
  const sent = await client.check(['node', TCP_STREAM, 'send', address, `${bytes}`]);
  await listener.exited();
  if (!listener.output.includes(sent.trim())) {
    throw new Error(`sent ${sent}, received ${listener.output}`);
  }
}
