// What the mesh promises, and whether the results bear it out.

import { DEFAULT_SWIM_CONFIG } from '../../src/mesh/swim/config.js';
import type {
  Convergence,
  Detection,
  FalseAlarmRate,
  Idle,
  Joining,
  Partition,
  Report,
  Restart,
} from './results.js';
import { resultsOf } from './results.js';

export interface Gate {
  readonly promise: string;
  readonly measured: string;
  /** Null: there is no result to judge by. */
  readonly held: boolean | null;
}

/** One promise. Results that are no `evidence` are shown, and do not suffice. */
function gate<T>(
  promise: string,
  results: readonly T[],
  describe: (result: T) => string,
  holds: (result: T) => boolean,
  evidence: (result: T) => boolean = () => true,
): Gate {
  return {
    promise,
    measured: results.map(describe).join('; '),
    held: results.some(evidence) ? results.every(holds) : null,
  };
}

const inSeconds = (ms: number | null) => (ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`);

export function gates(report: Report): Gate[] {
  const of = <T>(section: string) => resultsOf<T>(report, section);
  const { probeIntervalMs } = DEFAULT_SWIM_CONFIG;
  return [
    gate(
      'A killed node is suspected within two probe intervals (median)',
      of<Detection>('detection').filter(({ lossRate }) => lossRate === 0),
      (r) => `${r.nodes} nodes: ${inSeconds(r.firstSuspected.median)}`,
      (r) => r.firstSuspected.median <= 2 * probeIntervalMs,
    ),
    gate(
      'It is dead within the most that its suspicion lasts',
      of<Detection>('detection').filter(({ lossRate }) => lossRate === 0),
      (r) => `${r.nodes} nodes: ${inSeconds(r.allDead.max)} of ${inSeconds(r.suspicionMaxMs)}`,
      (r) => r.allDead.max - r.firstSuspected.max <= r.suspicionMaxMs,
    ),
    gate(
      'A living node is never declared dead under 20 % loss in 24 hours at 100 nodes',
      of<FalseAlarmRate>('false-alarms').filter((r) => r.lossRate <= 0.2),
      (r) => `${r.nodes} nodes, ${r.lossRate * 100} %, ${r.hours} h: ${r.deaths}`,
      (r) => r.deaths === 0,
      (r) => r.nodes === 100 && r.lossRate === 0.2 && r.hours >= 24,
    ),
    gate(
      'A change reaches the median node of 1,000 within 2 s',
      of<Convergence>('convergence').filter(({ lossRate }) => lossRate === 0),
      (r) => `${r.nodes} nodes: ${inSeconds(r.perNode.median)}`,
      (r) => r.perNode.median < 2_000,
      (r) => r.nodes >= 1_000,
    ),
    gate(
      'An idle node of 100 sends less than 1 kB/s',
      of<Idle>('idle').filter(({ nodes }) => nodes === 100),
      (r) => `${r.bytesPerSecond.max.toFixed(0)} B/s`,
      (r) => r.bytesPerSecond.max < 1_000,
    ),
    gate(
      'An idle node of 100 takes less than 1 % of a core',
      of<Idle>('idle').filter(({ nodes, crypto }) => nodes === 100 && crypto === 'real'),
      (r) => `${(r.cpuShare * 100).toFixed(3)} %`,
      (r) => r.cpuShare < 0.01,
    ),
    gate(
      'A partition of an hour heals within 60 s',
      of<Partition>('partition'),
      (r) => `${r.nodes} nodes: ${inSeconds(r.healedMs)}`,
      (r) => r.healedMs !== null && r.healedMs <= 60_000,
    ),
    gate(
      'All restarted with every seed gone: the mesh forms from what was saved',
      of<Restart>('restart'),
      (r) => `${r.nodes} nodes: ${inSeconds(r.formedMs)}`,
      (r) => r.formedMs !== null,
    ),
    gate(
      'A new node knows all within 2 s',
      of<Joining>('join'),
      (r) => `${r.nodes} nodes: ${inSeconds(r.knowsAllMs)}`,
      (r) => r.knowsAllMs !== null && r.knowsAllMs <= 2_000,
    ),
  ];
}
