// The timings of the membership protocol, each with its formula. The defaults are those of memberlist's LAN profile
// except where the simulator (bench/swim) showed something better.

export interface SwimConfig {
  /**
   * One member is probed in each interval T, x (awareness + 1). Somebody's probe reaches a killed member after an
   * exponential time of mean T, whatever N is, and has failed after T: it is suspected after T (1 - ln(1 - p)) in the share p
   * of all cases, 1.7 T in half of them.
   */
  readonly probeIntervalMs: number;
  /** An ack is waited for max(this, `probeTimeoutRtts` x RTT), capped; then others are asked to try. Pings meanwhile: probe.ts. */
  readonly probeTimeoutMs: number;
  readonly probeTimeoutMaxMs: number;
  readonly probeTimeoutRtts: number;
  /** How many others are asked to try. What that does to false alarms: see probe.ts. */
  readonly indirectProbes: number;
  /** Suspicion lasts at least `suspicionMultiplier` x max(1, log10 n) x `probeIntervalMs`. */
  readonly suspicionMultiplier: number;
  /** ... and at most this many times that, while nobody confirms it. */
  readonly suspicionMaxMultiplier: number;
  /** A broadcast is sent `retransmitMultiplier` x ceil(log10(n + 1)) times by each node. */
  readonly retransmitMultiplier: number;
  /** While there is something to tell, `gossipFanout` members are told in each interval: about log(n) rounds reach all. */
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  /** For so long a dead member is still told the news, so that it hears of its own death and refutes. */
  readonly gossipToTheDeadMs: number;
  /** The whole state is compared with one random member in each interval. */
  readonly pushPullIntervalMs: number;
  /** Awareness runs from 0 to this - 1. */
  readonly awarenessMaxMultiplier: number;
  /** One dead member is probed in each interval: this is how a partition heals. */
  readonly deadProbeIntervalMs: number;
  /** Without anybody who answers, seeds and known members are tried with backoff from here ... */
  readonly contactMinMs: number;
  /** ... to here. Seeds that are no member alive are tried in this interval for ever. */
  readonly contactMaxMs: number;
  /** State is saved at most once in this time. */
  readonly saveIntervalMs: number;
  /** A member that has left is forgotten after this time; it is kept so long that no stale record brings it back. */
  readonly forgetLeftMs: number;
  /** A member that was dead for so long is forgotten. */
  readonly forgetDeadMs: number;
}

export const DEFAULT_SWIM_CONFIG: SwimConfig = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  probeTimeoutMaxMs: 3_000,
  probeTimeoutRtts: 4,
  indirectProbes: 3,
  suspicionMultiplier: 4,
  suspicionMaxMultiplier: 6,
  retransmitMultiplier: 4,
  gossipIntervalMs: 300,
  gossipFanout: 3,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 45_000,
  awarenessMaxMultiplier: 8,
  deadProbeIntervalMs: 5_000,
  contactMinMs: 1_000,
  contactMaxMs: 60_000,
  saveIntervalMs: 1_000,
  forgetLeftMs: 86_400_000,
  forgetDeadMs: 30 * 86_400_000,
};
