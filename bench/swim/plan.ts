// Which measurements make a report. `quick` is minutes, `full` is hours of one core: what is done is kept, so that a
// report can be made in pieces.

import { createMeshCrypto } from '../../src/node/mesh-crypto.js';
import * as measure from './measurements.js';

export interface Task {
  /** Names its result; the part before the first space is the section of the report. */
  readonly name: string;
  /** @param progress a result that may yet be replaced by a better one */
  run(progress: (result: unknown) => void): unknown;
}

export type Preset = 'quick' | 'full';

const SEED = 1;

export async function planOf(preset: Preset): Promise<Task[]> {
  const full = preset === 'full';
  const sizes = full ? [10, 30, 100, 300, 1_000] : [10, 100];
  const crypto = await createMeshCrypto();
  const conditions = (nodes: number, lossRate = 0) => ({ nodes, lossRate, seed: SEED });
  const tasks: Task[] = [];
  const add = (name: string, run: Task['run']) => tasks.push({ name, run });

  for (const nodes of sizes) {
    const trials = nodes > 300 ? 10 : 30;
    add(`convergence ${nodes}`, () => measure.measureConvergence(conditions(nodes), trials));
  }
  add('convergence 100 loss', () => measure.measureConvergence(conditions(100, 0.2), 30));
  for (const nodes of full ? [10, 100, 1_000] : [10, 100]) {
    const kills = full ? (nodes > 300 ? 20 : 200) : 20;
    add(`detection ${nodes}`, () => measure.measureDetection(conditions(nodes), kills));
  }
  add('detection 100 loss', () => measure.measureDetection(conditions(100, 0.2), full ? 200 : 20));
  for (const nodes of sizes) {
    add(`idle ${nodes}`, () => measure.measureIdle(conditions(nodes), nodes > 300 ? 2 : 10));
  }
  add('idle 100 real', () => measure.measureIdle(conditions(100), full ? 10 : 1, crypto));
  for (const nodes of full ? [10, 100] : [20]) {
    add(`partition ${nodes}`, () => measure.measurePartition(conditions(nodes), 1));
    add(`restart ${nodes}`, () => measure.measureRestart(conditions(nodes)));
    add(`join ${nodes}`, () => measure.measureJoin(conditions(nodes)));
  }
  for (const slow of full ? [1, 8, 16, 32] : [8]) {
    add(`pauses ${slow}`, () => measure.measurePauses(conditions(100), slow, 20_000));
  }
  for (const lossRate of [0, 0.05, 0.1, 0.2, 0.3]) {
    const hours = full ? 24 : 0.1;
    for (const nodes of full ? [10, 100] : [100]) {
      add(`false-alarms ${nodes} ${lossRate}`, (progress) =>
        measure.measureFalseAlarms(conditions(nodes, lossRate), hours, progress),
      );
    }
  }
  return tasks;
}
