// Small questions to the operating system: wall clock, timers, interface indices.

import { networkInterfaces } from 'node:os';
import { parseDecimal, type ZoneNamer, type ZoneResolver } from '../core/address.js';
import type { WallTime } from '../core/clock.js';

export function wallTime(): WallTime {
  const nowMs = Date.now();
  const seconds = Math.floor(nowMs / 1000);
  return { seconds, nanoseconds: (nowMs - seconds * 1000) * 1_000_000 };
}

/** What the driver needs of an event loop; a fake one in tests. */
export interface Scheduler {
  /** Calls back once, after at least `delayMs`. The result cancels it. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls back in the next turn of the event loop, after pending I/O and due timers had theirs. */
  soon(callback: () => void): void;
}

/** setTimeout takes no more. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemScheduler: Scheduler = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
  soon(callback) {
    setImmediate(callback);
  },
};

/** Name to index of the interfaces that have a link-local IPv6 address: the ones that zones speak of. */
function linkLocalInterfaces(): Map<string, number> {
  const indices = new Map<string, number>();
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (address.family === 'IPv6' && address.scopeid) indices.set(name, address.scopeid);
    }
  }
  return indices;
}

/** Zones of endpoints in `set` lines: an interface's name, or its index as a number. */
export const resolveZone: ZoneResolver = (zone) =>
  parseDecimal(zone, 0xffff_ffff) ?? linkLocalInterfaces().get(zone) ?? null;

/** Zones of endpoints in one answer to `get`: asks the system at most once. */
export function createZoneNamer(): ZoneNamer {
  let names: Map<number, string> | undefined;
  return (scopeId) => {
    names ??= new Map([...linkLocalInterfaces()].map(([name, index]) => [index, name]));
    return names.get(scopeId) ?? String(scopeId);
  };
}
