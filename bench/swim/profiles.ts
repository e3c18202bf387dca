// The timings that are compared: ours, and memberlist's published profile for local networks, run by the same core.

import { DEFAULT_SWIM_CONFIG, type SwimConfig } from '../../src/mesh/swim/config.js';

export type ProfileName = 'weft' | 'memberlist';

/**
 * memberlist's DefaultLANConfig (config.go). What memberlist has not keeps our value: round-trip times in the probe's
 * timeout (its 500 ms are the least and, here, the most), and probes of dead members (so rare that none happens).
 */
const MEMBERLIST: Partial<SwimConfig> = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  probeTimeoutMaxMs: 500,
  indirectProbes: 3,
  suspicionMultiplier: 4,
  suspicionMaxMultiplier: 6,
  retransmitMultiplier: 4,
  gossipIntervalMs: 200,
  gossipFanout: 3,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 30_000,
  awarenessMaxMultiplier: 8,
};

export const PROFILES: Readonly<Record<ProfileName, SwimConfig>> = {
  weft: DEFAULT_SWIM_CONFIG,
  memberlist: { ...DEFAULT_SWIM_CONFIG, ...MEMBERLIST },
};

/**
 * Seconds until a share of the nodes knows of a change, by the model of Serf's convergence simulator
 * (serf.io/docs/internals/simulator.html): a logistic epidemic with half of the contacts counted.
 * @param share 0.5 = the median node
 */
export function serfModelSeconds(
  nodes: number,
  share: number,
  { gossipIntervalMs, gossipFanout }: SwimConfig,
  lossRate = 0,
): number {
  const contact = (gossipFanout / nodes) * (1 - lossRate) * 0.5;
  const rounds = Math.log(((nodes + 1) * share) / (1 - share)) / (contact * nodes);
  return (rounds * gossipIntervalMs) / 1000;
}
