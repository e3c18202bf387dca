// Files that are whole or not there: written beside, flushed, and renamed into place. A crash leaves the old one.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { WeftError } from '../core/errors.js';

/** @param mode permission bits of the file, such as 0o600 for a secret */
export function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number,
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', mode);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

/** So that the new name survives a crash as well. */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Who but its owner may do what with a file. */
export type Privacy =
  /** Nothing: it holds a secret. */
  | 'secret'
  /** Read it: what it says is acted on. */
  | 'public';

export interface ReadLimits {
  readonly maxBytes: number;
  readonly privacy: Privacy;
}

const FORBIDDEN_BITS: Readonly<Record<Privacy, number>> = { secret: 0o077, public: 0o022 };

function checkMode(path: string, mode: number, privacy: Privacy): void {
  if ((mode & FORBIDDEN_BITS[privacy]) === 0) return;
  const [verb, right] = privacy === 'secret' ? ['read', '600'] : ['written', '644'];
  throw new WeftError('ESTATE', `${path} can be ${verb} by others: chmod ${right} ${path}`);
}

/**
 * Reads what may be believed: a file that nobody else could have written, or, if it is a secret, read.
 * @returns null if there is no such file
 * @throws WeftError ESTATE with the remedy
 */
export function readBytesIfThere(path: string, limits: ReadLimits): Uint8Array | null {
  let fd: number;
  try {
    // a FIFO would keep the node waiting for its writer
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const status = fstatSync(fd);
    const { mode, size } = status;
    if (!status.isFile()) throw new WeftError('ESTATE', `${path} is no file: restore it`);
    checkMode(path, mode, limits.privacy);
    if (size > limits.maxBytes) {
      const message = `${path} has ${size} bytes, and at most ${limits.maxBytes} make sense: restore it`;
      throw new WeftError('ESTATE', message);
    }
    return new Uint8Array(readFileSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** As readBytesIfThere(), in UTF-8. */
export function readTextIfThere(path: string, limits: ReadLimits): string | null {
  const bytes = readBytesIfThere(path, limits);
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}

/** @throws WeftError ESTATE if others may read or write a file */
export function checkNobodyElseReads(path: string): void {
  checkMode(path, statSync(path).mode, 'secret');
}

/** @throws WeftError ESTATE if others may put files into a directory */
export function checkNobodyElseWrites(directory: string): void {
  if ((statSync(directory).mode & FORBIDDEN_BITS.public) === 0) return;
  const remedy = `chmod go-w ${directory}`;
  throw new WeftError('ESTATE', `${directory} can be written by others: ${remedy}`);
}

/** A directory that only its owner may look into. */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}
