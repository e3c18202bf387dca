/** A benchmark's life: whatever happens, what it started is stopped and what it made is removed. */
import { stopAll } from './command.mjs';
import { BenchError } from './errors.mjs';
import { destroyTopology } from './topology.mjs';

let stopped = false;

/** True once a signal has asked for the end. */
export const interrupted = () => stopped;

/**
 * @param {string} name for its error messages
 * @param {() => Promise<number>} main returns the exit status
 */
export async function runBenchmark(name, main) {
  // What runs is stopped; the measurement that waits for it then fails, and everything is undone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      stopped = true;
      void stopAll();
    });
  }
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    process.stderr.write(`${name}: ${stopped ? 'interrupted' : error.message}\n`);
    process.exitCode = stopped ? 130 : 2;
  } finally {
    await stopAll();
    await destroyTopology();
  }
}
