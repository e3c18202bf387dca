// Hosts of a mesh: namespaces on one bridge, each with its own weft.conf, state and sockets, and the weft command in it.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { NodeStatus } from '../../src/node/status.js';
import type { Namespace, Network } from './harness.js';
import { uniqueInterface } from './names.js';
import { type Background, type Completed, check, type RunOptions, run, until } from './process.js';

const WEFT = resolve('bin/weft');

/** The first host is HOST_NETWORK.1 with fd00:99::1. */
const HOST_NETWORK = '10.99.0';

export class MeshHost {
  readonly device = uniqueInterface();
  readonly directory: string;
  process: Background | null = null;

  private constructor(
    readonly net: Network,
    readonly namespace: Namespace,
    /** 1, 2, ... */
    readonly number: number,
  ) {
    this.directory = join(net.directory, `host${number}`);
    mkdirSync(this.directory);
  }

  /** A host with whatever links this namespace has. */
  static in(net: Network, namespace: Namespace, number: number): MeshHost {
    return new MeshHost(net, namespace, number);
  }

  /** Hosts on a bridge of their own. */
  static async create(net: Network, count: number): Promise<MeshHost[]> {
    const bridge = await net.namespace('bridge');
    await bridge.ip('link add br0 type bridge');
    await bridge.ip('link set br0 up');
    const hosts: MeshHost[] = [];
    for (let number = 1; number <= count; number++) {
      const namespace = await net.namespace(`h${number}`);
      await net.link(
        [namespace, 'eth0', `${HOST_NETWORK}.${number}/24`, `fd00:99::${number}/64`],
        [bridge, `v${number}`],
      );
      await bridge.ip(`link set v${number} master br0`);
      hosts.push(new MeshHost(net, namespace, number));
    }
    return hosts;
  }

  get name(): string {
    return `n${this.number}`;
  }

  get outer4(): string {
    return `${HOST_NETWORK}.${this.number}`;
  }

  get env(): Readonly<Record<string, string>> {
    return {
      WEFT_CONFIG: this.file('weft.conf'),
      WEFT_STATE_DIR: this.file('state'),
      WEFT_RUN_DIR: this.file('run'),
    };
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** `weft` with these arguments, whatever its status. */
  try(args: readonly string[], options: RunOptions = {}): Promise<Completed> {
    const env = { ...this.env, ...options.env };
    return run(this.namespace.command([WEFT, ...args]), { ...options, env });
  }

  /** `weft` with these arguments; throws with its output if it fails. Returns stdout. */
  weft(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const env = { ...this.env, ...options.env };
    return check(this.namespace.command([WEFT, ...args]), { ...options, env });
  }

  async json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    return JSON.parse(await this.weft([...args, '--json'], options)) as T;
  }

  init(...args: readonly string[]): Promise<string> {
    return this.weft(['init', '--name', this.name, '--device', this.device, ...args]);
  }

  async invite(...args: readonly string[]): Promise<string> {
    return (await this.weft(['invite', ...args])).trim();
  }

  join(token: string, ...args: readonly string[]): Promise<string> {
    return this.weft(['join', '-', '--name', this.name, '--device', this.device, ...args], {
      input: `${token}\n`,
    });
  }

  /** In the foreground, so that the test ends it; waits until it can be asked. */
  async up(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const child = this.net.spawn(this.namespace, [WEFT, 'up'], { ...this.env, ...env });
    this.process = child;
    await until(
      `${this.name} is up`,
      async () => child.exitCode !== null || (await this.try(['status', '--json'])).code === 0,
      20_000,
    );
    if (child.exitCode !== null) throw new Error(`${this.name} ended: ${child.output}`);
  }

  status(): Promise<NodeStatus> {
    return this.json<NodeStatus>(['status']);
  }

  /** Its address in the mesh, by family. */
  async address(family: 4 | 6 = 4): Promise<string> {
    const { addresses } = await this.status();
    const found = addresses.find((address) => address.includes(':') === (family === 6));
    if (found === undefined) throw new Error(`${this.name} has no IPv${family} address`);
    return found;
  }

  /** Waits until it knows so many others to be alive. */
  async sees(alive: number, timeoutMs = 15_000): Promise<void> {
    await until(
      `${this.name} sees ${alive} members alive`,
      async () => (await this.status()).health.members.alive === alive,
      timeoutMs,
    );
  }
}

export interface MeshOptions {
  /** Between being a member and being up. */
  readonly configure?: (host: MeshHost) => void;
  /** Of the agents. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A mesh of these hosts by invites of the first, all up. */
export async function meshOf(
  hosts: readonly MeshHost[],
  { configure, env }: MeshOptions = {},
): Promise<void> {
  const [first, ...others] = hosts;
  if (first === undefined) return;
  await first.init();
  configure?.(first);
  await first.up(env);
  const token = await first.invite('--uses', String(Math.max(1, others.length)));
  for (const host of others) {
    await host.join(token);
    configure?.(host);
    await host.up(env);
  }
}
