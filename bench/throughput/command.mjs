/**
 * Child processes of the benchmark: run one to its end, or start one and stop it by its pid.
 *
 * Output goes to files and is read after the child has ended: a pipe would wake this process for
 * every line that `ping` prints, on the very cores that are being measured.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from './errors.mjs';

const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
const STOP_GRACE_MS = 3000;

/** Scratch directory of this run, mode 0700: tool output and private keys. */
export const scratch = mkdtempSync(join(tmpdir(), 'weft-bench-'));
process.on('exit', () => {
  // A container's bind mount left below it would make the removal reach the host's files.
  const mounts = readProc('/proc/self/mounts');
  if (mounts !== null && !mounts.includes(` ${scratch}/`)) {
    rmSync(scratch, { recursive: true, force: true });
  }
});

let serial = 0;
/** @type {Set<Child>} */
const alive = new Set();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A started process with its output in files. */
export class Child {
  /**
   * @param {readonly string[]} argv
   * @param {{env?: Record<string, string>}} [options] env is added to this process's own
   */
  constructor(argv, options = {}) {
    this.argv = argv;
    const base = join(scratch, `${++serial}`);
    this.stdoutPath = `${base}.out`;
    this.stderrPath = `${base}.err`;
    const out = openSync(this.stdoutPath, 'w');
    const err = openSync(this.stderrPath, 'w');
    this.process = spawn(argv[0], argv.slice(1), {
      stdio: ['ignore', out, err],
      env: { ...process.env, LC_ALL: 'C', ...options.env },
    });
    closeSync(out);
    closeSync(err);
    this.ended = false;
    alive.add(this);
    /** How it ended, for an error message. */
    this.status = 'running';
    /** Resolves to the exit code; 128 if a signal ended it, 127 if it could not be started. */
    this.exit = new Promise((resolve) => {
      const finish = (code, signal) => {
        this.ended = true;
        this.status = signal ?? `exit ${code}`;
        alive.delete(this);
        resolve(code);
      };
      this.process.once('exit', (code, signal) => finish(code ?? 128, signal));
      this.process.once('error', (error) => {
        this.startError = error;
        finish(127);
      });
    });
  }

  get pid() {
    return this.process.pid;
  }

  stdout() {
    return readBounded(this.stdoutPath);
  }

  stderr() {
    return readBounded(this.stderrPath);
  }

  /** The last lines that the process wrote, for an error message. */
  complaint() {
    if (this.startError) return this.startError.message;
    const text = `${readBounded(this.stderrPath)}\n${readBounded(this.stdoutPath)}`;
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.slice(-3).join(' | ').slice(0, 400) || '(no output)';
  }

  signal(name) {
    if (!this.ended) this.process.kill(name);
  }

  /** SIGTERM, then SIGKILL after a grace period. Returns once the process is gone. */
  async stop() {
    if (this.ended) return;
    this.process.kill('SIGTERM');
    const killer = setTimeout(() => this.process.kill('SIGKILL'), STOP_GRACE_MS);
    await this.exit;
    clearTimeout(killer);
  }

  removeOutput() {
    rmSync(this.stdoutPath, { force: true });
    rmSync(this.stderrPath, { force: true });
  }
}

function readBounded(path) {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(64 * 1024);
    const parts = [];
    for (let total = 0; total < MAX_OUTPUT_BYTES; ) {
      const n = readSync(file, buffer, 0, buffer.length, null);
      if (n === 0) break;
      parts.push(Buffer.from(buffer.subarray(0, n)));
      total += n;
    }
    return Buffer.concat(parts).toString('utf8');
  } finally {
    closeSync(file);
  }
}

/**
 * Runs a command to its end and returns what it printed on stdout.
 *
 * @param {readonly string[]} argv
 * @param {{timeoutMs?: number, acceptFailure?: boolean, env?: Record<string, string>}} [options]
 *   acceptFailure: return stdout whatever the exit status is
 * @throws {BenchError} if it cannot be started, fails, or runs past its time
 */
export async function run(argv, options = {}) {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const child = new Child(argv, options);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    void child.stop();
  }, timeoutMs);
  const code = await child.exit;
  clearTimeout(timer);
  try {
    if (timedOut) throw new BenchError(`${argv.join(' ')}: no end after ${timeoutMs} ms`);
    if (code !== 0 && !options.acceptFailure) {
      throw new BenchError(`${argv.join(' ')}: ${child.status}: ${child.complaint()}`);
    }
    return child.stdout();
  } finally {
    child.removeOutput();
  }
}

/** True if the command can be run and succeeds. */
export async function succeeds(argv) {
  try {
    await run(argv);
    return true;
  } catch {
    return false;
  }
}

export async function stopAll() {
  await Promise.all([...alive].map((child) => child.stop()));
}

/**
 * Polls until `probe` is true.
 *
 * @param {() => boolean | Promise<boolean>} probe
 * @throws {BenchError} after timeoutMs, naming `what`
 */
export async function waitFor(what, timeoutMs, probe) {
  const deadline = performance.now() + timeoutMs;
  while (!(await probe())) {
    if (performance.now() > deadline) throw new BenchError(`${what}: not after ${timeoutMs} ms`);
    await sleep(20);
  }
}

/** Whole content of a /proc file, or null if the process is gone. */
export function readProc(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
