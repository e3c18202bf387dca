// Child processes: run to completion, or kept and ended by pid.
import { type ChildProcess, spawn } from 'node:child_process';

export interface Completed {
  /** Exit status; -1 if a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Runs to completion whatever the exit status; SIGKILL after `timeoutMs` (20 s). */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Completed> {
  const child = start(argv, options.env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin?.on('error', () => undefined); // it may exit without reading
  child.stdin?.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve(status ?? -1));
    });
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs to completion and throws with the output if the exit status is not zero. Returns stdout. */
export async function check(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const done = await run(argv, options);
  if (done.code !== 0) {
    throw new Error(`${argv.join(' ')}: status ${done.code}\n${done.stdout}${done.stderr}`);
  }
  return done.stdout;
}

/** A process that lives until stop(), or as long as it likes. */
export class Background {
  readonly #child: ChildProcess;
  readonly #done: Promise<number>;
  #exitCode: number | null = null;
  #output = '';
  /** Called with each complete line of stdout. */
  onLine: (line: string) => void = () => undefined;

  constructor(
    readonly argv: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) {
    this.#child = start(argv, env);
    this.#child.stdin?.on('error', () => undefined);
    let partial = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
      const parts = (partial + chunk.toString()).split('\n');
      partial = parts.pop() ?? '';
      for (const line of parts) this.onLine(line);
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#done = new Promise((resolve) => {
      const exited = (code: number) => {
        this.#exitCode = code;
        resolve(code);
      };
      this.#child.once('error', () => exited(-1));
      this.#child.once('exit', (code) => exited(code ?? -1));
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** stdout and stderr so far. */
  get output(): string {
    return this.#output;
  }

  /** Null while it runs; -1 if a signal ended it. */
  get exitCode(): number | null {
    return this.#exitCode;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exitCode === null) this.#child.kill(signal);
  }

  /** Waits for the end; throws after `timeoutMs`. */
  async exited(timeoutMs = 5_000): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.argv.join(' ')} still runs after ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([this.#done, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGTERM, and SIGKILL if that does not end it within 3 s. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    try {
      await this.exited(3_000);
    } catch {
      this.signal('SIGKILL');
      await this.exited();
    }
  }
}

function start(argv: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess {
  const [file, ...rest] = argv;
  if (file === undefined) throw new Error('empty command');
  return spawn(file, rest, { env: { ...process.env, LC_ALL: 'C', ...env } });
}

/** Polls until `condition` holds or `timeoutMs` is over; a condition that throws counts as not yet. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 5_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last });
    }
    await pause(15);
  }
}

/** Between two polls, and where a span of time is itself what is tested. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
