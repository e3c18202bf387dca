/**
 * The implementations that are compared: how each is found, started at one end of the wire,
 * configured, and stopped.
 */
import { generateKeyPairSync } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, run, scratch, succeeds, waitFor } from './command.mjs';
import { containerCommand, releaseContainer } from './container.mjs';
import { BenchError } from './errors.mjs';
import { processTree } from './processes.mjs';
import { createTopology, destroyTopology, inside, WIRE_PORT } from './topology.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const SOCKET_DIRECTORY = '/var/run/wireguard';
const READY_TIMEOUT_MS = 10_000;
export const TUNNEL_MTU = 1420;

/**
 * How a candidate makes its interface.
 * - `wireguard`: a userspace process that is configured through its control socket by `wg`
 * - `kernel`: the kernel's module
 * - `raw`: any command that makes the interface and needs no configuration (a prototype)
 * - `plain`: no tunnel, the wire itself: the ceiling
 *
 * @typedef {object} Candidate
 * @property {string} name
 * @property {'wireguard' | 'kernel' | 'raw' | 'plain'} kind
 * @property {string} [command] for sh; {if} {local} {peer} {port} are replaced
 * @property {Record<string, string>} [env]
 * @property {string} [version]
 * @property {string} [missing] why it cannot run here
 */

function findExecutable(names) {
  const directories = [join(root, 'build-peers/bin'), ...(process.env.PATH ?? '').split(delimiter)];
  for (const directory of directories) {
    for (const name of names) {
      try {
        accessSync(join(directory, name), constants.X_OK);
        return join(directory, name);
      } catch {
        // Not here; try the next.
      }
    }
  }
  return null;
}

const quoted = (path) => `'${path.replaceAll("'", "'\\''")}'`;

async function weft() {
  const missing = ['bin/weft-wg', 'dist', 'build/Release/weft.node'].filter(
    (path) => !existsSync(join(root, path)),
  );
  if (missing.length > 0) return { missing: `not built: no ${missing.join(', no ')}` };
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const describe = ['git', '-C', root, 'describe', '--always', '--dirty'];
  const commit = await run(describe).catch(() => '');
  return {
    command: `exec ${quoted(join(root, 'bin/weft-wg'))} -f {if}`,
    version: `${version} ${commit.trim()}`.trim(),
  };
}

async function wireguardGo() {
  // `go install` names the program after its module: wireguard.
  const path = findExecutable(['wireguard-go', 'wireguard']);
  if (!path) return { missing: 'not installed (bench/install-peers)' };
  // Its own --version stands still between releases; the module's version does not.
  const build = await run(['go', 'version', '-m', path]).catch(() => '');
  const version =
    /^\s+mod\s+\S+\s+(\S+)/m.exec(build)?.[1] ?? (await firstLine([path, '--version']));
  return { command: `exec ${quoted(path)} -f {if}`, env: { LOG_LEVEL: 'error' }, version };
}

async function boringtun() {
  const path = findExecutable(['boringtun-cli']);
  if (!path) return { missing: 'not installed (bench/install-peers)' };
  return {
    command: `exec ${quoted(path)} -f --disable-drop-privileges {if}`,
    version: await firstLine([path, '--version']),
  };
}

const firstLine = async (argv) => (await run(argv).catch(() => '')).split('\n')[0].trim();

async function kernelModule() {
  const name = `wb${process.pid}k`;
  if (!(await succeeds(['ip', 'link', 'add', name, 'type', 'wireguard']))) {
    return { missing: 'this kernel has no WireGuard module' };
  }
  await run(['ip', 'link', 'del', name]);
  return {};
}

const BUILT_IN = {
  weft: { kind: 'wireguard', find: weft },
  'wireguard-go': { kind: 'wireguard', find: wireguardGo },
  boringtun: { kind: 'wireguard', find: boringtun },
  kernel: { kind: 'kernel', find: kernelModule },
  plain: { kind: 'plain', find: () => ({}) },
};

export const BUILT_IN_NAMES = Object.keys(BUILT_IN);

/**
 * @param {string} name one of BUILT_IN_NAMES
 * @returns {Promise<Candidate>}
 */
export async function builtInCandidate(name) {
  const { kind, find } = BUILT_IN[name];
  return { name, kind, ...(await find()) };
}

/**
 * NAME=COMMAND (raw) or NAME=wg:COMMAND (configured by `wg`).
 * @returns {Candidate}
 */
export function parseCandidate(text) {
  const match = /^([A-Za-z0-9._-]+)=(wg:)?(.+)$/s.exec(text);
  if (!match) throw new BenchError(`--candidate ${text}: want NAME=COMMAND or NAME=wg:COMMAND`);
  const [, name, prefix, command] = match;
  if (BUILT_IN_NAMES.includes(name)) throw new BenchError(`--candidate: ${name} is built in`);
  if (!command.includes('{if}')) throw new BenchError(`--candidate ${name}: COMMAND has no {if}`);
  return { name, kind: prefix ? 'wireguard' : 'raw', command };
}

function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const base64 = (url) => Buffer.from(url, 'base64url').toString('base64');
  return {
    private: base64(privateKey.export({ format: 'jwk' }).d),
    public: base64(publicKey.export({ format: 'jwk' }).x),
  };
}

/** One candidate, running at both ends of a fresh wire. */
export class Session {
  /**
   * @param {Candidate} candidate
   * @param {'offloads' | 'wire'} mode
   * @param {{lxc: boolean}} options lxc: start the processes in LXC containers
   */
  constructor(candidate, mode, options) {
    this.candidate = candidate;
    this.mode = mode;
    this.lxc = options.lxc;
    /** @type {Child[]} */
    this.processes = [];
  }

  async start() {
    const { a, b } = await createTopology(this.mode);
    this.a = a;
    this.b = b;
    if (this.candidate.kind === 'plain') {
      a.target = a.wireAddress;
      b.target = b.wireAddress;
    } else {
      await this.#startEnd(a, b);
      await this.#startEnd(b, a);
      if (this.candidate.kind !== 'raw') await this.#configure();
      for (const end of [a, b]) await this.#address(end);
    }
    await this.#firstPing();
  }

  /** Processes of both ends, with their descendants; a container's monitor is not the candidate's. */
  pidsByEnd() {
    return this.processes.map((child) => processTree(child.pid).slice(this.lxc ? 1 : 0));
  }

  pids() {
    return this.pidsByEnd().flat();
  }

  /** @throws {BenchError} if a process of the candidate has died */
  checkAlive() {
    for (const child of this.processes) {
      if (child.ended) {
        const how = `${child.status}: ${child.complaint()}`;
        throw new BenchError(`${this.candidate.name} ended by itself: ${how}`);
      }
    }
  }

  async stop() {
    if (this.lxc) for (const end of [this.a, this.b]) if (end) await releaseContainer(end);
    await Promise.all(this.processes.map((child) => child.stop()));
    for (const child of this.processes) child.removeOutput();
    for (const end of [this.a, this.b]) {
      if (end) rmSync(`${SOCKET_DIRECTORY}/${end.interfaceName}.sock`, { force: true });
    }
    await destroyTopology();
  }

  async #startEnd(end, other) {
    const { candidate } = this;
    end.target = end.tunnelAddress;
    if (candidate.kind === 'kernel') {
      await run(['ip', '-n', end.netns, 'link', 'add', end.interfaceName, 'type', 'wireguard']);
      return;
    }
    const command = candidate.command
      .replaceAll('{if}', end.interfaceName)
      .replaceAll('{local}', end.wireAddress)
      .replaceAll('{peer}', other.wireAddress)
      .replaceAll('{port}', `${WIRE_PORT}`);
    const argv = this.lxc
      ? await containerCommand(end, command, root)
      : inside(end.netns, ['sh', '-c', command]);
    const child = new Child(argv, { env: candidate.env });
    this.processes.push(child);
    const socket = `${SOCKET_DIRECTORY}/${end.interfaceName}.sock`;
    const link = ['ip', '-n', end.netns, 'link', 'show', 'dev', end.interfaceName];
    await waitFor(`${candidate.name}: interface ready`, READY_TIMEOUT_MS, async () => {
      this.checkAlive();
      if (candidate.kind === 'wireguard' && !existsSync(socket)) return false;
      return succeeds(link);
    });
  }

  async #configure() {
    const keys = { a: newKey(), b: newKey() };
    for (const [self, other] of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const path = join(scratch, `${self}.conf`);
      writeFileSync(
        path,
        `[Interface]\nPrivateKey = ${keys[self].private}\nListenPort = ${WIRE_PORT}\n` +
          `[Peer]\nPublicKey = ${keys[other].public}\n` +
          `AllowedIPs = ${this[other].tunnelAddress}/32\n` +
          `Endpoint = ${this[other].wireAddress}:${WIRE_PORT}\n`,
        { mode: 0o600 },
      );
      const { netns, interfaceName } = this[self];
      await run(inside(netns, ['wg', 'setconf', interfaceName, path]));
    }
  }

  async #address({ netns, interfaceName, tunnelAddress }) {
    await run(['ip', '-n', netns, 'addr', 'add', `${tunnelAddress}/24`, 'dev', interfaceName]);
    await run(['ip', '-n', netns, 'link', 'set', interfaceName, 'mtu', `${TUNNEL_MTU}`, 'up']);
  }

  /** The handshake, outside every measurement. */
  async #firstPing() {
    const ping = inside(this.a.netns, ['ping', '-c', '1', '-W', '1', this.b.target]);
    await waitFor(`${this.candidate.name}: first ping`, READY_TIMEOUT_MS, () => {
      this.checkAlive();
      return succeeds(ping);
    });
  }
}
