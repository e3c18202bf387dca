/** The implementations that are compared, and how each is found. A Session (session.mjs) runs them. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, succeeds } from './command.mjs';
import { BenchError } from './errors.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * How a candidate makes its interface.
 * - `wireguard`: a userspace process that is configured through its control socket by `wg`
 * - `kernel`: the kernel's module
 * - `script`: a program that brings up a tunnel between two namespaces by itself (bench/README.md)
 * - `plain`: no tunnel, the wire itself: the ceiling
 *
 * @typedef {object} Candidate
 * @property {string} name
 * @property {'wireguard' | 'kernel' | 'script' | 'plain'} kind
 * @property {string} [command] for sh, with {if} for the interface's name; a script's path
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
  // Which engine it runs is set by these; they are conditions of the figures.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([variable]) => variable.startsWith('WEFT_')),
  );
  const settings = Object.entries(env).map(([variable, value]) => `${variable}=${value}`);
  return {
    command: `exec ${quoted(join(root, 'bin/weft-wg'))} -f {if}`,
    env,
    version: [version, commit.trim(), ...settings].join(' ').trim(),
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

async function gotatun() {
  const path = findExecutable(['gotatun']);
  if (!path) return { missing: 'not installed (bench/install-peers gotatun)' };
  return {
    command: `exec ${quoted(path)} -f --verbosity error --disable-drop-privileges {if}`,
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
  gotatun: { kind: 'wireguard', find: gotatun },
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
 * NAME=wg:COMMAND (a process that `wg` configures) or NAME=script:PATH.
 * @returns {Candidate}
 */
export function parseCandidate(text) {
  const match = /^([A-Za-z0-9._-]+)=(wg|script):(.+)$/s.exec(text);
  if (!match) {
    throw new BenchError(`--candidate ${text}: want NAME=wg:COMMAND or NAME=script:PATH`);
  }
  const [, name, form, command] = match;
  if (BUILT_IN_NAMES.includes(name)) throw new BenchError(`--candidate: ${name} is built in`);
  if (form === 'script') return { name, kind: 'script', command: resolve(command) };
  if (!command.includes('{if}')) throw new BenchError(`--candidate ${name}: COMMAND has no {if}`);
  return { name, kind: 'wireguard', command };
}
