// Start-up in the background: the launching process starts the daemon in a session of its own and waits for one line
// on a pipe, READY or what went wrong. wg-quick relies on this: when the launcher returns, `wg setconf` works.

import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';

/** Tells the daemon where the pipe is. */
const READY_FD_VARIABLE = 'WEFT_READY_FD';
/** The pipe's descriptor in the daemon. */
const READY_FD = 3;
const READY = 'ready';

/**
 * Starts `script` in the background. Resolves when it serves.
 * @param argv for it
 * @throws Error with the daemon's own line about what went wrong
 */
export function launchDaemon(script: string, argv: readonly string[]): Promise<void> {
  const { env, descriptors } = daemonEnvironment(process.env);
  const logs = env.LOG_LEVEL && env.LOG_LEVEL !== 'silent' ? 'inherit' : 'ignore';
  const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', logs, logs, 'pipe', ...descriptors],
  });
  child.unref();
  return new Promise((resolve, reject) => {
    const report = child.stdio[READY_FD];
    let text = '';
    child.on('error', (error) => reject(new Error(`cannot start the daemon: ${error.message}`)));
    report?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    report?.on('close', () => {
      const line = text.trimEnd();
      if (line === READY) resolve();
      else reject(new Error(line === '' ? 'the daemon ended before it was ready' : line));
    });
  });
}

interface DaemonEnvironment {
  readonly env: NodeJS.ProcessEnv;
  /** To follow READY_FD in the daemon. */
  readonly descriptors: readonly number[];
}

/** Descriptors named in the environment change their number on the way. */
function daemonEnvironment(environment: NodeJS.ProcessEnv): DaemonEnvironment {
  const env = { ...environment, WG_PROCESS_FOREGROUND: '1', [READY_FD_VARIABLE]: `${READY_FD}` };
  const descriptors: number[] = [];
  for (const name of ['WG_TUN_FD', 'WG_UAPI_FD']) {
    const value = environment[name];
    if (value === undefined || !/^[0-9]+$/.test(value)) continue;
    descriptors.push(Number(value));
    Object.assign(env, { [name]: `${READY_FD + descriptors.length}` });
  }
  return { env, descriptors };
}

/** In the daemon: the launching process to report to, or null if there is none. */
export function launcher(): { ready(): void; failed(reason: string): void } | null {
  if (process.env[READY_FD_VARIABLE] !== `${READY_FD}`) return null;
  const tell = (line: string) => {
    writeSync(READY_FD, `${line}\n`);
    closeSync(READY_FD);
  };
  return { ready: () => tell(READY), failed: (reason) => tell(reason) };
}
