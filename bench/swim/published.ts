// What others have published of SWIM, Lifeguard and memberlist, to hold our figures against. None of it was measured here,
// and what nobody has published (deaths under packet loss, bytes of an idle node) is not made up.

import { DEFAULT_SWIM_CONFIG, type SwimConfig } from '../../src/mesh/swim/config.js';
import { minimumTimeoutMs } from '../../src/mesh/swim/suspicion.js';

/** memberlist's documented defaults for local networks (DefaultLANConfig; Consul's `gossip_lan` has the same). */
export const MEMBERLIST_LAN = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  suspicionMultiplier: 4,
  suspicionMaxMultiplier: 6,
  retransmitMultiplier: 4,
  gossipIntervalMs: 200,
  gossipFanout: 3,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 30_000,
  awarenessMaxMultiplier: 8,
} as const satisfies Partial<SwimConfig>;

/** Expected protocol periods until a dead member is first probed, whatever N is (SWIM, DSN 2002, section 3.1): e / (e - 1). */
export const SWIM_FIRST_PROBE_PERIODS = Math.E / (Math.E - 1);

/** Lifeguard (arXiv 1707.00788), abstract: how many times fewer healthy members it takes for dead than SWIM alone. */
export const LIFEGUARD_FEWER_FALSE_POSITIVES = 50;

/** From suspicion to death with memberlist's defaults, by the formula that it documents: confirmed by all, and by nobody. */
export function memberlistSuspicionMs(nodes: number): { minMs: number; maxMs: number } {
  const { suspicionMultiplier, suspicionMaxMultiplier, probeIntervalMs } = MEMBERLIST_LAN;
  const minMs = minimumTimeoutMs(suspicionMultiplier, nodes, probeIntervalMs);
  return { minMs, maxMs: suspicionMaxMultiplier * minMs };
}

/**
 * Seconds until a share of the nodes knows of a change with memberlist's defaults, by the model of Serf's convergence
 * simulator (serf.io/docs/internals/simulator.html): a logistic epidemic with half of the contacts counted.
 * @param share 0.5 = the median node
 */
export function serfModelSeconds(nodes: number, share: number, lossRate = 0): number {
  const { gossipFanout, gossipIntervalMs } = MEMBERLIST_LAN;
  const contact = (gossipFanout / nodes) * (1 - lossRate) * 0.5;
  const rounds = Math.log(((nodes + 1) * share) / (1 - share)) / (contact * nodes);
  return (rounds * gossipIntervalMs) / 1000;
}

/**
 * Time until a killed member is suspected by somebody, for a share of all kills: each of many others probes it once a lap, at
 * a time that nobody else knows of, so that probes reach it as a Poisson process of one in each interval; and the probe that
 * is the first must fail.
 */
export function firstSuspectedMs(share: number): number {
  return DEFAULT_SWIM_CONFIG.probeIntervalMs * (1 - Math.log(1 - share));
}
