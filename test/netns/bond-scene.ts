// Two hosts of a mesh with several uplinks each, and the internet between them in user space:
//
//   n1: up0 10.10.1.1  up1 10.11.1.1      n2: up0 10.10.2.1  up1 10.11.2.1
//
// The uplinks of n1 are impaired as the test says, those of n2 are as fast as the machine: what a way is like is seen in
// one place.
import { appendFileSync } from 'node:fs';
import type { BondReport, PathsResult } from '../../src/node/bond-status.js';
import type { Namespace, Network } from './harness.js';
import { MeshHost, meshOf } from './mesh-host.js';
import { type Background, until } from './process.js';
import { type Impairment, plug, Relay } from './relay.js';
import { expectPing } from './traffic.js';

export const device = (uplink: number) => `up${uplink}`;
const metric = (uplink: number) => 100 + uplink;

export interface SceneOptions {
  /** Of n1's uplinks, in both directions. */
  readonly links: readonly Impairment[];
  /** Of the relay's chances. */
  readonly seed?: number;
  /** Of the agents. */
  readonly env?: Readonly<Record<string, string>>;
  /** More of n1's weft.conf. */
  readonly config?: string;
}

export class Scene {
  private constructor(
    readonly net: Network,
    readonly relay: Relay,
    readonly a: MeshHost,
    readonly b: MeshHost,
    readonly addressA: string,
    readonly addressB: string,
  ) {}

  /** Both agents up and in one mesh. */
  static async of(net: Network, options: SceneOptions): Promise<Scene> {
    const namespaces = [await net.namespace('a'), await net.namespace('b')] as const;
    const relay = await Relay.start(net, namespaces[0], options.seed);
    const hosts = namespaces.map((namespace, i) => MeshHost.in(net, namespace, i + 1));
    const [a, b] = hosts as [MeshHost, MeshHost];
    for (const [uplink, impairment] of options.links.entries()) {
      for (const host of [a, b]) {
        const address = `10.${10 + uplink}.${host.number}.1`;
        const name = portOf(host, uplink);
        await relay.addUplink(name, host.namespace, device(uplink), address, metric(uplink));
      }
      await relay.set(portOf(a, uplink), 'both', impairment);
    }
    const section = options.links.map((_, i) => `\n[Uplink]\nInterface = ${device(i)}\n`).join('');
    await meshOf([a, b], {
      configure: (host) =>
        appendFileSync(
          host.file('weft.conf'),
          section + (host === a ? (options.config ?? '') : ''),
        ),
      ...(options.env && { env: options.env }),
    });
    return new Scene(net, relay, a, b, await a.address(), await b.address());
  }

  /** Waits until so many ways from n1 to n2 are used. */
  async bonded(paths: number, timeoutMs = 20_000): Promise<void> {
    await expectPing(this.a.namespace, this.addressB, { waitS: 5 }); // ways are tried inside a session
    await until(
      `${paths} active paths`,
      async () =>
        (await this.bond()).paths.filter(({ state }) => state === 'active').length >= paths,
      timeoutMs,
    );
  }

  /** n1's bond with n2. */
  async bond(): Promise<BondReport> {
    const { bonds, reason } = await this.a.json<PathsResult>(['path', 'ls', this.b.name]);
    const [bond] = bonds;
    if (bond === undefined) throw new Error(`no bond: ${reason}`);
    return bond;
  }

  unplug(host: MeshHost, uplink: number): Promise<string> {
    return host.namespace.ip(`link set ${device(uplink)} down`);
  }

  plug(host: MeshHost, uplink: number): Promise<void> {
    return plug(host.namespace, device(uplink), metric(uplink));
  }

  /** IP bytes that left n1 by each of its uplinks, as the relay delivered them. */
  async sentBytes(): Promise<number[]> {
    const { ports } = await this.relay.stats();
    return Object.keys(ports)
      .filter((name) => name.startsWith(`${this.a.name}.`))
      .sort()
      .map((name) => ports[name]?.up.deliveredBytes ?? 0);
  }
}

/** The relay's name of an uplink. */
export function portOf(host: MeshHost, uplink: number): string {
  return `${host.name}.${uplink}`;
}

export interface Stream {
  /** What the receiver got, Mbit/s, in equal intervals from the beginning. */
  readonly mbps: readonly number[];
  readonly intervalS: number;
}

/** Mean of a stream's goodput between two times since its beginning, Mbit/s. */
export function meanMbps({ mbps, intervalS }: Stream, fromS: number, toS: number): number {
  const part = mbps.slice(Math.round(fromS / intervalS), Math.round(toS / intervalS));
  return part.reduce((sum, each) => sum + each, 0) / part.length;
}

interface IperfIntervals {
  readonly error?: string;
  readonly intervals: readonly { readonly sum: { bits_per_second: number; seconds: number } }[];
}

const INTERVAL_S = 0.25;

/** One TCP stream from `client`, begun; the result is what the server saw. */
export async function startStream(
  net: Network,
  server: Namespace,
  client: Namespace,
  address: string,
  { seconds, congestion = 'cubic' }: { seconds: number; congestion?: string },
): Promise<{ done: Promise<Stream> }> {
  const daemon = await listen(net, server, address);
  const sender = client.check([...sendTo(address, congestion), '-t', `${seconds}`], {
    timeoutMs: (seconds + 20) * 1000,
  });
  const finish = async (): Promise<Stream> => {
    await sender;
    await daemon.exited();
    const report = JSON.parse(daemon.output) as IperfIntervals;
    if (report.error !== undefined) throw new Error(`iperf3: ${report.error}`);
    return {
      mbps: report.intervals.map(({ sum }) => sum.bits_per_second / 1e6),
      intervalS: INTERVAL_S,
    };
  };
  return { done: finish() };
}

/** One TCP stream from n1 to n2 that goes on until the test ends, or it breaks: its sender. */
export async function startLoad({ net, a, b, addressB }: Scene): Promise<Background> {
  await listen(net, b.namespace, addressB);
  return net.spawn(a.namespace, [...sendTo(addressB, 'cubic'), '-t', '300']);
}

async function listen(net: Network, server: Namespace, address: string): Promise<Background> {
  const options = ['-1', '-J', '-B', address, '-i', `${INTERVAL_S}`];
  const daemon = net.spawn(server, ['iperf3', '-s', ...options]);
  await until(`iperf3 listens on ${address}`, async () =>
    (await server.check(['ss', '-tlnH', 'sport = 5201'])).includes('5201'),
  );
  return daemon;
}

function sendTo(address: string, congestion: string): string[] {
  return ['iperf3', '-c', address, '-C', congestion, '-i', '0'];
}
