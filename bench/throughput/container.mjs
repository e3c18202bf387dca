/**
 * An implementation in an LXC container without any image: empty directories with the host's /usr
 * and /etc bound read-only, in the network namespace of one end of the wire.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run, scratch, succeeds } from './command.mjs';

const lxcPath = () => join(scratch, 'lxc');
const nameOf = (end) => end.netns;

/** True where LXC containers can be started. */
export const haveLxc = () => succeeds(['lxc-start', '--version']);

/**
 * argv that runs the shell command in a new container and stays in the foreground; the
 * container's processes are its descendants.
 *
 * @param {import('./topology.mjs').End} end
 * @param {string} command
 * @param {Record<string, string>} env LXC hands nothing on of its own environment
 * @param {string} root the source tree, visible at the same path inside
 */
export async function containerCommand(end, command, env, root) {
  const directory = join(lxcPath(), nameOf(end));
  const rootfs = join(directory, 'rootfs');
  for (const name of ['usr', 'etc', 'proc', 'sys', 'dev/net', 'tmp', 'run/wireguard', 'var']) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    if (!existsSync(join(rootfs, name))) symlinkSync(`usr/${name}`, join(rootfs, name));
  }
  if (!existsSync(join(rootfs, 'var/run'))) symlinkSync('../run', join(rootfs, 'var/run'));
  mkdirSync('/run/wireguard', { recursive: true, mode: 0o700 });

  const node = dirname(dirname(process.execPath));
  const readOnly = ['/usr', '/etc', root, ...(node.startsWith('/usr') ? [] : [node])];
  const bind = (path, options) =>
    `lxc.mount.entry = ${path} ${path.slice(1)} none rbind,create=dir,${options} 0 0`;
  const config = [
    `lxc.uts.name = ${nameOf(end)}`,
    `lxc.rootfs.path = dir:${rootfs}`,
    `lxc.namespace.share.net = /run/netns/${end.netns}`,
    'lxc.mount.auto = proc:mixed',
    ...readOnly.map((path) => bind(path, 'ro')),
    bind('/run/wireguard', 'rw'),
    'lxc.mount.entry = /dev/net/tun dev/net/tun none bind,create=file 0 0',
    'lxc.mount.entry = /dev/null dev/null none bind,create=file 0 0',
    'lxc.mount.entry = /dev/urandom dev/urandom none bind,create=file 0 0',
    `lxc.environment = PATH=${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    ...Object.entries(env).map(([name, value]) => `lxc.environment = ${name}=${value}`),
    'lxc.signal.halt = SIGTERM',
    'lxc.tty.max = 0',
    'lxc.pty.max = 0',
    '',
  ].join('\n');
  const configPath = join(directory, 'config');
  writeFileSync(configPath, config);
  const options = ['-n', nameOf(end), '-P', lxcPath(), '-f', configPath];
  return ['lxc-start', '-F', ...options, '--', '/bin/sh', '-c', command];
}

/** Stops the container, and removes its directory. */
export async function releaseContainer(end) {
  // Process 1 of a container ignores signals that it has no handler for: -k.
  await run(['lxc-stop', '-k', '-n', nameOf(end), '-P', lxcPath()], { acceptFailure: true });
  const directory = join(lxcPath(), nameOf(end));
  if (await isMounted(directory)) return;
  rmSync(directory, { recursive: true, force: true });
}

/** A bind mount left under the directory would make its removal reach the host's files. */
async function isMounted(directory) {
  const mounts = await run(['cat', '/proc/self/mounts']);
  return mounts.includes(` ${directory}/`);
}
