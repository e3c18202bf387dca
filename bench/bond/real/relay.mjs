/** The internet between the hosts (native/bench/impair_relay.cc), told by lines and answering by lines of JSON. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildBenchmarks } from '../../native/build.mjs';
import { BenchError } from '../../throughput/errors.mjs';

/**
 * A direction of an uplink. Delay, jitter and queue in ms, rate and policer in Mbit/s of IP packets, loss and duplicate
 * as shares; the full list is in impair_relay.cc.
 * @typedef {{delay?: number, jitter?: number, rate?: number, queue?: number, loss?: number, policer?: number,
 *   black_hole?: number}} Impairment
 */

export class Relay {
  #process;
  /** @type {((line: string | null) => void)[]} */
  #waiting = [];

  constructor(program, seed) {
    this.#process = spawn(program, [`${seed}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdin.on('error', () => {});
    createInterface({ input: this.#process.stdout }).on('line', (line) =>
      this.#waiting.shift()?.(line),
    );
    this.#process.once('close', () => {
      for (const each of this.#waiting.splice(0)) each(null);
    });
  }

  static async start(seed) {
    const directory = await buildBenchmarks(['impair_relay']);
    return new Relay(join(directory, 'impair_relay'), seed);
  }

  /** @throws {BenchError} if it refuses, or is gone */
  async command(line) {
    const answer = await new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#process.exitCode !== null) resolve(null);
      else this.#process.stdin.write(`${line}\n`);
    });
    if (answer === null) throw new BenchError(`the relay is gone, asked: ${line}`);
    const parsed = JSON.parse(answer);
    if (parsed.error) throw new BenchError(`relay: ${line}: ${parsed.error}`);
    return parsed;
  }

  /** @param {Impairment} impairment */
  set(port, impairment, direction = 'both') {
    const words = Object.entries(impairment).map(([key, value]) => `${key}=${value}`);
    return words.length > 0
      ? this.command(`set ${port} ${direction} ${words.join(' ')}`)
      : Promise.resolve();
  }

  /** Its interfaces end with it. */
  async stop() {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.stdin.end();
    await ended;
  }
}
