// What uplinks with a quota have carried, kept over restarts.

import { addUsage, formatQuota, type Usage, usedOf } from '../bond/quota.js';
import type { UplinkSettings } from '../bond/uplink.js';
import type { MeshLog } from './mesh-log.js';
import type { StateStore } from './state-store.js';

/** Saved this often: so much may be forgotten by a crash. */
const SAVE_MS = 60_000;

export interface UplinkUsageEnvironment {
  readonly store: Pick<StateStore, 'readUsage' | 'writeUsage'>;
  readonly log: Pick<MeshLog, 'error'>;
  nowMs(): number;
  /** Today as ISO 8601, in UTC. */
  today(): string;
}

export class UplinkUsage {
  readonly #env: UplinkUsageEnvironment;
  readonly #usage: Map<string, Usage>;
  #savedMs: number;
  #changed = false;

  /** @throws WeftError ESTATE if the file is no JSON */
  constructor(env: UplinkUsageEnvironment) {
    this.#env = env;
    this.#usage = env.store.readUsage();
    this.#savedMs = env.nowMs();
  }

  add(uplink: UplinkSettings, bytes: number): void {
    if (uplink.quota === null || bytes <= 0) return;
    const { name } = uplink;
    this.#usage.set(name, addUsage(this.#usage.get(name), this.#env.today(), bytes));
    this.#changed = true;
    if (this.#env.nowMs() - this.#savedMs >= SAVE_MS) this.save();
  }

  /** Bytes in the quota's present period. */
  used({ name, quota }: UplinkSettings): number | null {
    return quota === null ? null : usedOf(quota, this.#usage.get(name), this.#env.today());
  }

  /** Why the uplink may not be used; null = it may. */
  spent(uplink: UplinkSettings): string | null {
    const { name, quota } = uplink;
    const used = this.used(uplink);
    if (quota === null || used === null || used < quota.bytes) return null;
    const until = quota.period === 'day' ? 'tomorrow' : 'next month';
    return `the quota of ${name} (${formatQuota(quota)}) is spent until ${until}`;
  }

  save(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#savedMs = this.#env.nowMs();
    try {
      this.#env.store.writeUsage(this.#usage);
    } catch (error) {
      this.#env.log.error('cannot save what uplinks have carried', { err: error });
    }
  }
}
