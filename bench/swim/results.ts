// What a report is made of: the results of measurements.ts by the names of plan.ts, as they are kept in JSON.

import type * as measure from './measurements.js';

export type Convergence = ReturnType<typeof measure.measureConvergence>;
export type Detection = ReturnType<typeof measure.measureDetection>;
export type { FalseAlarmRate } from './measurements.js';
export type Pauses = ReturnType<typeof measure.measurePauses>;
export type Idle = ReturnType<typeof measure.measureIdle>;
export type Partition = ReturnType<typeof measure.measurePartition>;
export type Restart = ReturnType<typeof measure.measureRestart>;
export type Joining = ReturnType<typeof measure.measureJoin>;

export interface Report {
  startedAt: string;
  cpu: string;
  node: string;
  /** By the name of the task. */
  results: Record<string, unknown>;
}

/** The results of one section, in the order of their measurement. */
export function resultsOf<T>({ results }: Report, section: string): T[] {
  return Object.entries(results)
    .filter(([name]) => name.startsWith(`${section} `))
    .map(([, result]) => result as T);
}
