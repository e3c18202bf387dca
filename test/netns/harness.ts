// One test's world: namespaces joined by veth pairs, the processes in them, and their removal. Everything is
// named uniquely, and ended by pid.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, type TestContext } from 'vitest';
import { uniqueNamespace } from './names.js';
import { Background, type Completed, check, type RunOptions, run } from './process.js';

export class Namespace {
  constructor(readonly name: string) {}

  /** The command line that runs `argv` in this namespace, in the same process id. */
  command(argv: readonly string[]): string[] {
    return ['nsenter', `--net=/run/netns/${this.name}`, ...argv];
  }

  /** Runs to completion; throws with the output if it fails. Returns stdout. */
  check(argv: readonly string[], options?: RunOptions): Promise<string> {
    return check(this.command(argv), options);
  }

  /** Runs to completion whatever the status. */
  run(argv: readonly string[], options?: RunOptions): Promise<Completed> {
    return run(this.command(argv), options);
  }

  /** `ip` with the words of `line` as arguments. */
  ip(line: string): Promise<string> {
    return check(['ip', '-n', this.name, ...line.split(' ')]);
  }

  /** Loads an nftables script. */
  async nft(script: string): Promise<void> {
    await this.check(['nft', '-f', '-'], { input: script });
  }

  /** Packets that the rule with this comment has counted. */
  async nftPackets(comment: string): Promise<number> {
    const listing = await this.check(['nft', 'list', 'ruleset']);
    const line = listing.split('\n').find((text) => text.includes(`comment "${comment}"`));
    const packets = line?.match(/counter packets (\d+)/)?.[1];
    if (packets === undefined) throw new Error(`no counter "${comment}" in\n${listing}`);
    return Number(packets);
  }

  /** Writes /proc/sys/net/`path`. */
  async sysctl(path: string, value: number): Promise<void> {
    await this.check(['sh', '-c', `printf ${value} > /proc/sys/net/${path}`]);
  }
}

export class Network {
  readonly #namespaces: Namespace[] = [];
  readonly #processes: Background[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'weft-netns-'));
  #files = 0;

  async namespace(label: string): Promise<Namespace> {
    const created = new Namespace(uniqueNamespace(label));
    await check(['ip', 'netns', 'add', created.name]);
    this.#namespaces.push(created);
    await created.ip('link set lo up');
    // A strict reverse-path filter would hide which of the paths an implementation has chosen.
    await created.sysctl('ipv4/conf/all/rp_filter', 0);
    await created.sysctl('ipv4/conf/default/rp_filter', 0);
    return created;
  }

  /** Joins two namespaces by a veth pair that is up, with these addresses (each with its prefix length). */
  async link(
    [a, aName, ...aAddresses]: readonly [Namespace, string, ...string[]],
    [b, bName, ...bAddresses]: readonly [Namespace, string, ...string[]],
  ): Promise<void> {
    await a.ip(`link add ${aName} type veth peer name ${bName} netns ${b.name}`);
    for (const address of aAddresses) await addAddress(a, aName, address);
    for (const address of bAddresses) await addAddress(b, bName, address);
    await a.ip(`link set ${aName} up`);
    await b.ip(`link set ${bName} up`);
  }

  /** A process in a namespace that ends with this network at the latest. */
  spawn(
    where: Namespace,
    argv: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Background {
    const created = new Background(where.command(argv), env);
    this.#processes.push(created);
    return created;
  }

  /** A temporary file, for secrets that `wg` reads by name. Returns its path. */
  file(content: string, name = `${this.#files++}`): string {
    const path = join(this.#directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  get directory(): string {
    return this.#directory;
  }

  /** Output of every process, for a failed test. */
  transcript(): string {
    return this.#processes
      .map((p) => `--- ${p.argv.slice(2).join(' ')} (${p.exitCode ?? 'running'})\n${p.output}`)
      .join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((p) => p.stop()));
    for (const { name } of this.#namespaces) {
      const pids = await run(['ip', 'netns', 'pids', name]);
      for (const pid of pids.stdout.split('\n').filter((line) => line !== '')) {
        await run(['kill', '-KILL', pid]);
      }
      await run(['ip', 'netns', 'del', name]);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export async function addAddress(where: Namespace, device: string, address: string): Promise<void> {
  // Duplicate address detection would keep an IPv6 address unusable for a second.
  await where.ip(`addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`);
}

/** Why these tests cannot run here; null if they can. */
function missingRequirement(): string | null {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun';
  return null;
}

/** Skips with a reason that also reaches the JSON report. */
export function skip(context: Pick<TestContext, 'task' | 'skip'>, reason: string): never {
  Object.assign(context.task.meta, { skipReason: reason });
  return context.skip(reason);
}

/** `test` with a network of its own. The output of its processes is shown if it fails. */
export const test = base.extend<{ net: Network }>({
  net: async ({ task, skip: skipTest }, use) => {
    const missing = missingRequirement();
    if (missing !== null) skip({ task, skip: skipTest }, missing);
    const net = new Network();
    try {
      await use(net);
      if (task.result?.errors?.length) console.log(net.transcript());
    } finally {
      await net.close();
    }
  },
});
