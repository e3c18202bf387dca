// The start-up contract that wg-quick and init systems rely on, and the ways it ends.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { type Namespace, type Network, test } from './harness.js';
import { uniqueInterface } from './names.js';
import { until } from './process.js';
import { accepts, IMPLEMENTATION, socketPath, uapi } from './wireguard-node.js';

/** Processes whose command line has `name` as an argument of its own. */
function pidsOf(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(name);
      } catch {
        return false; // it has just ended
      }
    })
    .map(Number);
}

interface Daemon {
  readonly where: Namespace;
  readonly name: string;
  readonly pid: number;
}

/** Starts in the background, as wg-quick does. */
async function daemon(net: Network, name = uniqueInterface(), where?: Namespace): Promise<Daemon> {
  const namespace = where ?? (await net.namespace('a'));
  await namespace.check([IMPLEMENTATION, name], { timeoutMs: 10_000 });
  const pids = pidsOf(name);
  expect(pids).toHaveLength(1);
  return { where: namespace, name, pid: pids[0] ?? -1 };
}

async function linkExists({ where, name }: { where: Namespace; name: string }): Promise<boolean> {
  return (await where.run(['ip', 'link', 'show', name])).code === 0;
}

async function expectGone(it: Daemon): Promise<void> {
  await until('the process has ended', () => pidsOf(it.name).length === 0);
  expect(existsSync(socketPath(it.name))).toBe(false);
  expect(await linkExists(it)).toBe(false);
}

describe('start', () => {
  test('returns only when wg can configure it, and closes its output', async ({ net }) => {
    const where = await net.namespace('a');
    for (let round = 0; round < 3; round++) {
      const name = uniqueInterface();
      const script = `${IMPLEMENTATION} ${name} && wg set ${name} listen-port 4100 && wg show ${name} listen-port && ip link set ${name} up`;
      expect(await where.check(['sh', '-c', script], { timeoutMs: 10_000 })).toContain('4100');
      await where.ip(`link del ${name}`);
      await until('the process has ended', () => pidsOf(name).length === 0);
    }
  });

  test('creates a TUN device with an MTU of 1420 that is down', async ({ net }) => {
    const it = await daemon(net);
    const [link] = JSON.parse(await it.where.ip(`-d -j link show ${it.name}`));
    expect(link.mtu).toBe(1420);
    expect(link.flags).not.toContain('UP');
    expect(link.linkinfo.info_kind).toBe('tun');
  });

  test('lets only the owner use its socket', async ({ net }) => {
    const it = await daemon(net);
    expect(statSync(socketPath(it.name)).mode & 0o077).toBe(0);
    expect(statSync('/var/run/wireguard').mode & 0o022).toBe(0);
  });

  test('keeps little of what it needed for the start alone', async ({ net }) => {
    const it = await daemon(net);
    const ofFiles = (): number => {
      const status = readFileSync(`/proc/${it.pid}/status`, 'utf8');
      return Number(/^RssFile:\s+(\d+) kB/m.exec(status)?.[1]);
    };
    // Of 44 MB of program text and constants.
    await until('most of it is gone', () => ofFiles() < 22_000);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`ends on ${signal} and leaves nothing`, async ({ net }) => {
      const it = await daemon(net);
      process.kill(it.pid, signal);
      await expectGone(it);
    });
  }

  test('ends when its socket is removed', async ({ net }) => {
    const it = await daemon(net);
    unlinkSync(socketPath(it.name));
    await expectGone(it);
  });

  test('ends when its link is deleted', async ({ net }) => {
    const it = await daemon(net);
    await it.where.ip(`link del ${it.name}`);
    await expectGone(it);
  });

  test('refuses a second instance and leaves the first alone', async ({ net }) => {
    const it = await daemon(net);
    const again = await it.where.run([IMPLEMENTATION, it.name], { timeoutMs: 10_000 });
    expect(again.code).toBe(1);
    expect(again.stdout + again.stderr).not.toBe('');
    // The socket's directory is shared by all namespaces: the same name elsewhere is taken as well.
    const elsewhere = await net.namespace('b');
    expect((await elsewhere.run([IMPLEMENTATION, it.name], { timeoutMs: 10_000 })).code).toBe(1);
    expect(await linkExists({ where: elsewhere, name: it.name })).toBe(false);
    expect(await uapi(socketPath(it.name), 'get=1\n\n')).toContain('errno=0');
  });

  test('replaces the socket of one that was killed', async ({ net }) => {
    const first = await daemon(net);
    process.kill(first.pid, 'SIGKILL');
    await until('the process has ended', () => pidsOf(first.name).length === 0);
    expect(existsSync(socketPath(first.name))).toBe(true);
    await until('nobody listens', async () => !(await accepts(socketPath(first.name))));
    await until('the link is gone', async () => !(await linkExists(first)));
    const second = await daemon(net, first.name, first.where);
    expect(await uapi(socketPath(second.name), 'get=1\n\n')).toContain('errno=0');
  });

  for (const flag of ['-f', '--foreground']) {
    test(`stays in the foreground with ${flag}`, async ({ net }) => {
      const where = await net.namespace('a');
      const name = uniqueInterface();
      const child = net.spawn(where, [IMPLEMENTATION, flag, name]);
      await until('it answers', () => accepts(socketPath(name)), 10_000);
      expect(pidsOf(name)).toEqual([child.pid]);
      child.signal('SIGTERM');
      expect(await child.exited()).toBe(0);
      expect(existsSync(socketPath(name))).toBe(false);
    });
  }

  test('stays in the foreground with WG_PROCESS_FOREGROUND=1', async ({ net }) => {
    const where = await net.namespace('a');
    const name = uniqueInterface();
    const child = net.spawn(where, [IMPLEMENTATION, name], { WG_PROCESS_FOREGROUND: '1' });
    await until('it answers', () => accepts(socketPath(name)), 10_000);
    expect(child.exitCode).toBeNull();
    expect(pidsOf(name)).toEqual([child.pid]);
  });

  test('prints its version', async ({ net }) => {
    const where = await net.namespace('a');
    const done = await where.run([IMPLEMENTATION, '--version']);
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/\d+\.\d+/);
  });

  test('says something on wrong arguments', async ({ net }) => {
    const where = await net.namespace('a');
    for (const args of [[], ['-f'], ['--nonsense', 'wt0'], ['a', 'b', 'c']]) {
      const done = await where.run([IMPLEMENTATION, ...args], { timeoutMs: 10_000 });
      expect(done.stdout + done.stderr).not.toBe('');
    }
  });

  describe('fails with status 1 and a message', () => {
    async function expectFailure(
      where: Namespace,
      argv: readonly string[],
      name: string,
      message: RegExp,
    ): Promise<void> {
      const done = await where.run(argv, { timeoutMs: 10_000 });
      expect(done.code, done.stdout + done.stderr).toBe(1);
      expect(done.stdout + done.stderr).toMatch(message);
      await until('no process is left', () => pidsOf(name).length === 0);
      expect(existsSync(socketPath(name))).toBe(false);
    }

    for (const flags of [[], ['-f']]) {
      const mode = flags.length > 0 ? 'in the foreground' : 'in the background';

      test(`without /dev/net/tun, ${mode}`, async ({ net }) => {
        const name = uniqueInterface();
        const empty = `${net.directory}/empty`;
        mkdirSync(empty);
        const script = `mount --bind ${empty} /dev/net && exec "$0" "$@"`;
        const argv = ['unshare', '--mount', 'sh', '-c', script, IMPLEMENTATION, ...flags, name];
        await expectFailure(await net.namespace('a'), argv, name, /\/dev\/net\/tun/);
      });

      test(`without CAP_NET_ADMIN, ${mode}`, async ({ net }) => {
        const name = uniqueInterface();
        const argv = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
        await expectFailure(
          await net.namespace('a'),
          [...argv, IMPLEMENTATION, ...flags, name],
          name,
          /not permitted|CAP_NET_ADMIN|EPERM/i,
        );
      });

      test(`if the name belongs to another device, ${mode}`, async ({ net }) => {
        const where = await net.namespace('a');
        const name = uniqueInterface();
        await where.ip(`link add ${name} type bridge`);
        await expectFailure(where, [IMPLEMENTATION, ...flags, name], name, /./);
        expect(await linkExists({ where, name })).toBe(true);
      });

      test(`if the name is too long, ${mode}`, async ({ net }) => {
        const name = 'sixteen-letters-';
        await expectFailure(await net.namespace('a'), [IMPLEMENTATION, ...flags, name], name, /./);
      });
    }
  });
});
