// Constants of the protocol as published (whitepaper 6.1) and, where it is silent, as the Linux kernel module sets them.
// Those of the data plane (message counters, padding, DSCP) live in native/.

/** An initiator starts no new handshake within this of its last initiation or response; also the retransmit time. */
export const REKEY_TIMEOUT_MS = 5_000;
/** Upper bound of the random delay added to retransmits and to the new-handshake timer. */
export const REKEY_TIMEOUT_JITTER_MS = 333;
export const REKEY_ATTEMPT_TIME_MS = 90_000;
/** Retransmits after which the handshake is given up. */
export const MAX_HANDSHAKE_ATTEMPTS = REKEY_ATTEMPT_TIME_MS / REKEY_TIMEOUT_MS;
export const REJECT_AFTER_TIME_MS = 180_000;
/** All key material is zeroed this long after the last session began. */
export const ZERO_KEYS_AFTER_MS = 3 * REJECT_AFTER_TIME_MS;
export const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Data sent and nothing authenticated received for this long: a new handshake. */
export const NEW_HANDSHAKE_AFTER_MS = KEEPALIVE_TIMEOUT_MS + REKEY_TIMEOUT_MS;

export const INITIATIONS_PER_SECOND = 50;

export const COOKIE_SECRET_MAX_AGE_MS = 120_000;
/** A received cookie is used this much less than the secret lives, so that it does not expire on its way. */
export const COOKIE_SECRET_LATENCY_MS = 5_000;

/** Load is assumed this long after it was last seen. */
export const UNDER_LOAD_STICKY_MS = 1_000;

/** Two ticks are at least this far apart. */
export const TICK_INTERVAL_MS = 25;
/**
 * A peer with live timers is looked at this often: the marks the data plane sets in shared memory start timers of 10 s
 * and more, so none is seen late.
 */
export const MAX_SLEEP_MS = 2_000;
