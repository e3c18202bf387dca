// One node a state directory: two would overwrite what the other keeps, and speak with one identity. The kernel's lock
// (flock) goes with its process, so that a crash leaves nothing to clean up, and holds among namespaces and containers
// that share the directory.

import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { WeftError } from '../core/errors.js';

/** The descriptor's number in flock(1): it locks the open file, which is ours too, and stays locked when it ends. */
const LOCK_FD = 3;
/** What `flock -E` is told to end with if somebody else has the lock. */
const TAKEN = 75;

/**
 * Locks a state directory for this process.
 * @returns what releases it
 * @throws WeftError EINUSE if another process has it
 */
export function lockState(directory: string): () => void {
  const path = join(directory, 'lock');
  const fd = openSync(path, 'a+', 0o600);
  const { status, error, stderr } = spawnSync('flock', ['-n', '-E', `${TAKEN}`, `${LOCK_FD}`], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
  });
  if (status === 0) {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
    return () => closeSync(fd);
  }
  closeSync(fd);
  if (status === TAKEN) {
    const pid = readFileSync(path, 'utf8').trim();
    const remedy = 'end it with weft down, or give this node a --state-dir of its own';
    throw new WeftError('EINUSE', `${directory} is in use by process ${pid}: ${remedy}`);
  }
  const missing = error !== undefined && 'code' in error && error.code === 'ENOENT';
  const reason = missing ? 'the program flock is missing: install util-linux' : stderr || error;
  throw new WeftError('ELOCK', `cannot lock ${path}: ${reason}`);
}
