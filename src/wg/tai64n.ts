// TAI64N timestamps of handshake initiations (whitepaper 5.1, 5.4.2): they order initiations against replay.

import type { WallTime } from '../core/clock.js';
import { INITIATIONS_PER_SECOND } from './constants.js';

export const TAI64N_LENGTH = 12;

// 2^62 + 10: the TAI64 label of 1970-01-01 UTC (https://cr.yp.to/libtai/tai64.html).
const EPOCH_LABEL = 0x400000000000000an;

// The largest power of two within the shortest interval between accepted initiations: a finer clock would tell an
// observer who holds a key about the machine's timing.
const GRANULARITY_NS = 2 ** Math.floor(Math.log2(1e9 / INITIATIONS_PER_SECOND));

/** 12 bytes, big-endian: u64 seconds label, u32 nanoseconds rounded down to a multiple of 2^24. */
export function encodeTai64n(time: WallTime): Uint8Array {
  const bytes = new Uint8Array(TAI64N_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, EPOCH_LABEL + BigInt(time.seconds));
  view.setUint32(8, time.nanoseconds - (time.nanoseconds % GRANULARITY_NS));
  return bytes;
}

/** True if `a` is strictly later than `b`. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TAI64N_LENGTH; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
