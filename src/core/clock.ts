// Time as the cores see it: always an argument, never read by them. `nowMs` is in milliseconds on a clock that never goes
// back and counts suspend (CLOCK_BOOTTIME); fractions are meaningful.

/** Since 1970-01-01 UTC, for TAI64N, last_handshake_time and certificates. */
export interface WallTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}
