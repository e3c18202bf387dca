// Keeps the list of uplinks true: `ip monitor` says that links, addresses or routes have changed, and they are read
// again; and every few seconds, in case it does not run.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Uplink } from '../bond/uplink.js';
import { messageOf } from '../core/errors.js';
import type { BondConfig } from './bond-config.js';
import type { IpRunner } from './ip-command.js';
import type { MeshLog } from './mesh-log.js';
import type { Scheduler } from './system.js';
import { describeUplinks, readUplinks } from './uplinks.js';

/** One change of the network is a dozen messages. */
const GATHER_MS = 50;
/** Routes of the mesh itself come and go too: after a reading the next one waits so long. */
const REST_MS = 1_000;
/** Without a monitor. */
const POLL_MS = 5_000;
/** With one: in case it missed something. */
const SLOW_POLL_MS = 60_000;

/**
 * Calls back at each change of links, addresses or routes, and at the end with `false`, from when on nothing is said.
 * @returns ends it
 */
export type NetworkMonitor = (onChange: (running: boolean) => void) => () => void;

export const systemMonitor: NetworkMonitor = (onChange) => {
  let child: ChildProcess | null = null;
  try {
    child = spawn('ip', ['monitor', 'link', 'address', 'route'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    onChange(false);
    return () => {};
  }
  child.stdout?.on('data', () => onChange(true));
  child.once('error', () => onChange(false));
  child.once('exit', () => onChange(false));
  return () => {
    child.removeAllListeners('exit');
    child.kill();
  };
};

export interface UplinkWatchEnvironment {
  readonly run: IpRunner;
  readonly scheduler: Scheduler;
  readonly monitor: NetworkMonitor;
  readonly log: MeshLog;
  /** The mesh's own interface. */
  readonly device: string;
  config(): BondConfig;
  onChange(uplinks: readonly Uplink[]): void;
}

export class UplinkWatch {
  readonly #env: UplinkWatchEnvironment;
  #uplinks: readonly Uplink[] = [];
  #told = '[]';
  #cancelTimer = () => {};
  #endMonitor: (() => void) | null = null;
  #reading: Promise<void> = Promise.resolve();
  /** Since news came, until REST_MS after the reading. */
  #busy = false;
  #moreNews = false;
  #failed = false;
  #stopped = false;

  constructor(env: UplinkWatchEnvironment) {
    this.#env = env;
  }

  get uplinks(): readonly Uplink[] {
    return this.#uplinks;
  }

  /** Resolves when they are known. */
  async start(): Promise<void> {
    await this.refresh();
    this.#monitor();
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
    this.#endMonitor?.();
  }

  /** The configuration may be another. Resolves when what follows has been told. */
  async reload(): Promise<void> {
    await this.refresh();
    this.#monitor();
    this.#arm();
  }

  /** Reads them now. Resolves when what there is has been told. */
  refresh(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  #monitor(): void {
    const isWanted = this.#env.config().enabled;
    if (!isWanted) {
      this.#endMonitor?.();
      this.#endMonitor = null;
    }
    if (this.#stopped || !isWanted || this.#endMonitor !== null) return;
    let hasEnded = false;
    const end = this.#env.monitor((running) => {
      if (running) {
        this.#news();
      } else {
        hasEnded = true;
        this.#endMonitor = null;
        this.#arm();
      }
    });
    // It may have ended before it began.
    if (!hasEnded) this.#endMonitor = end;
  }

  #news(): void {
    this.#moreNews = this.#busy;
    if (this.#busy) return;
    this.#busy = true;
    const { scheduler } = this.#env;
    scheduler.after(GATHER_MS, () => void this.refresh());
    scheduler.after(GATHER_MS + REST_MS, () => {
      this.#busy = false;
      if (this.#moreNews) this.#news();
    });
  }

  #arm(): void {
    this.#cancelTimer();
    if (this.#stopped || !this.#env.config().enabled) return;
    const delayMs = this.#endMonitor === null ? POLL_MS : SLOW_POLL_MS;
    this.#cancelTimer = this.#env.scheduler.after(delayMs, () => {
      void this.refresh();
      this.#arm();
    });
  }

  async #read(): Promise<void> {
    if (this.#stopped) return;
    const config = this.#env.config();
    try {
      const uplinks = config.enabled
        ? await readUplinks(config, this.#env.device, this.#env.run)
        : [];
      this.#failed = false;
      this.#tell(uplinks);
    } catch (error) {
      // those that are known stay: a failure of `ip` is none of theirs
      const reason = messageOf(error);
      if (!this.#failed) this.#env.log.warn('uplinks cannot be read', { reason });
      this.#failed = true;
    }
  }

  #tell(uplinks: readonly Uplink[]): void {
    const text = describeUplinks(uplinks);
    if (this.#stopped || text === this.#told) return;
    this.#told = text;
    this.#uplinks = uplinks;
    this.#env.log.info('uplinks', { names: uplinks.map(({ name }) => name).join(' ') });
    this.#env.onChange(uplinks);
  }
}
