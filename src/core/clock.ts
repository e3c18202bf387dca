/** Time as the cores see it: always an argument, never read by them. */
export interface Clock {
  /** Milliseconds on a clock that never goes back and counts suspend (CLOCK_BOOTTIME). Fractions are meaningful. */
  nowMs(): number;
  /** Wall clock: whole seconds and nanoseconds since 1970-01-01 UTC, for TAI64N and last_handshake_time. */
  wallTime(): WallTime;
}

export interface WallTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}
