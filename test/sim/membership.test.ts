// The membership protocol as a whole, on the real core: what must come true of a mesh, whatever happens to it.

import { describe, expect, test, vi } from 'vitest';
import { agree, disagreements } from './agreement.js';
import { endAll, runFaults } from './faults.js';
import { simulate } from './mesh-world.js';
import { DeathWatch, FalseAlarms, SpreadWatch } from './metrics.js';
import type { SimulatedNode } from './node.js';
import { endpointOf, type Simulation } from './simulation.js';

// only to end a run that hangs
vi.setConfig({ testTimeout: 300_000 });

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

function startAll({ nodes }: Simulation): void {
  for (const node of nodes) node.start();
}

/** @returns how long it took */
function expectAgreement(simulation: Simulation, limitMs: number): number {
  const tookMs = simulation.runUntil(() => agree(simulation), limitMs);
  if (tookMs === null) throw new Error(disagreements(simulation).join('\n  '));
  return tookMs;
}

function formMesh(simulation: Simulation): void {
  startAll(simulation);
  expectAgreement(simulation, MINUTE_MS);
  simulation.run(10 * SECOND_MS);
}

const last = ({ nodes }: Simulation) => nodes.at(-1) as SimulatedNode;

describe('a mesh', () => {
  test('forms from two seeds', () => {
    simulate({ nodes: 30, seeds: [1, 2] }, (simulation) => {
      startAll(simulation);
      expectAgreement(simulation, 20 * SECOND_MS);
    });
  });

  test('forms where a third of all datagrams is lost, and others are late or come twice', () => {
    const conditions = { lossRate: 0.33, duplicateRate: 0.1, lateRate: 0.1, lateMs: 3_000 };
    simulate({ nodes: 20, seeds: [1, 2], conditions }, (simulation) => {
      startAll(simulation);
      const everybodyKnown = () =>
        simulation.nodes.every((node) => [...(node.mesh?.members() ?? [])].length === 19);
      expect(simulation.runUntil(everybodyKnown, 2 * MINUTE_MS)).not.toBeNull();
      simulation.setConditions({ lossRate: 0 });
      expectAgreement(simulation, MINUTE_MS);
    });
  });

  test('two runs of one seed are the same', () => {
    const traffic: unknown[] = [];
    const run = () =>
      simulate({ nodes: 10, seeds: [7], conditions: { lossRate: 0.1 } }, (simulation) => {
        startAll(simulation);
        simulation.run(MINUTE_MS);
        traffic.push(simulation.nodes.map((node) => ({ ...simulation.network.sentBy(node) })));
      });
    run();
    run();
    expect(traffic[0]).toEqual(traffic[1]);
  });

  test('of 200 hears of a change within seconds', () => {
    simulate({ nodes: 200, acquainted: true }, (simulation) => {
      startAll(simulation);
      simulation.run(3 * SECOND_MS);
      const watch = new SpreadWatch(simulation, last(simulation), 1);
      last(simulation).moveTo(endpointOf(199, 1));
      expect(simulation.runUntil(() => watch.reached === 199, 10 * SECOND_MS)).not.toBeNull();
      expectAgreement(simulation, SECOND_MS);
    });
  });
});

describe('a node', () => {
  test('that is killed is suspected, then dead, within their bounds', () => {
    simulate({ nodes: 20, seeds: [1, 2, 3] }, (simulation) => {
      formMesh(simulation);
      const watch = new DeathWatch(simulation, last(simulation));
      last(simulation).crash();
      simulation.run(MINUTE_MS);
      expect(Math.min(...watch.suspectedMs.values())).toBeLessThanOrEqual(4 * SECOND_MS);
      expect(watch.deadMs.size).toBe(19);
      expectAgreement(simulation, SECOND_MS);
    });
  });

  test('is given up by nobody who has not just asked it', () => {
    simulate({ nodes: 20 }, (simulation) => {
      formMesh(simulation);
      const victim = last(simulation);
      const askedMs = new Map<unknown, number>();
      const silentMs: number[] = [];
      simulation.network.onSend = (from, to) => {
        if (to.address[3] === victim.endpoint.address[3]) askedMs.set(from, simulation.nowMs);
      };
      simulation.observers.push({
        memberChanged(node, { id, state }) {
          if (id !== victim.id || state !== 'dead') return;
          silentMs.push(simulation.nowMs - (askedMs.get(node) ?? 0));
        },
      });
      victim.crash();
      simulation.run(MINUTE_MS);
      expect(silentMs).toHaveLength(19);
      expect(Math.max(...silentMs)).toBeLessThan(SECOND_MS);
    });
  });

  test('that leaves has left, and was never suspected', () => {
    simulate({ nodes: 20, seeds: [1, 2] }, (simulation) => {
      formMesh(simulation);
      const watch = new DeathWatch(simulation, last(simulation));
      last(simulation).leave();
      expectAgreement(simulation, 20 * SECOND_MS);
      expect(watch.suspectedMs.size).toBe(0);
      expect(watch.deadMs.size).toBe(0);
    });
  });

  test('that has left can come back', () => {
    simulate({ nodes: 10, seeds: [1, 2] }, (simulation) => {
      formMesh(simulation);
      last(simulation).leave();
      expectAgreement(simulation, 20 * SECOND_MS);
      last(simulation).start();
      expectAgreement(simulation, 20 * SECOND_MS);
    });
  });

  test('comes back within seconds with its state lost and another address', () => {
    simulate({ nodes: 20, seeds: [1, 2, 3] }, (simulation) => {
      formMesh(simulation);
      // it has refuted and changed, so that its incarnation is high
      for (let move = 1; move < 5; move++) last(simulation).moveTo(endpointOf(19, move));
      expectAgreement(simulation, MINUTE_MS);
      last(simulation).crash();
      last(simulation).moveTo(endpointOf(19, 9));
      last(simulation).restart({ loseState: true });
      expectAgreement(simulation, 30 * SECOND_MS);
    });
  });

  test('that froze for long takes nobody down when it thaws', () => {
    simulate({ nodes: 20, seeds: [1, 2, 3] }, (simulation) => {
      formMesh(simulation);
      const alarms = new FalseAlarms(simulation);
      last(simulation).pause();
      simulation.run(5 * MINUTE_MS);
      expect(agree(simulation)).toBe(false);
      last(simulation).resume();
      expectAgreement(simulation, 30 * SECOND_MS);
      expect([...alarms.buried]).toEqual([]);
    });
  });

  test('that slept takes nobody down when it wakes', () => {
    simulate({ nodes: 20, seeds: [1, 2, 3] }, (simulation) => {
      formMesh(simulation);
      const alarms = new FalseAlarms(simulation);
      last(simulation).jumpMonotonicClock(8 * HOUR_MS);
      simulation.run(MINUTE_MS);
      expect([...alarms.buried]).toEqual([]);
      expectAgreement(simulation, 30 * SECOND_MS);
    });
  });

  test('whose wall clock jumps notices nothing', () => {
    simulate({ nodes: 10 }, (simulation) => {
      formMesh(simulation);
      const alarms = new FalseAlarms(simulation);
      last(simulation).jumpWallClock(-365 * 86_400);
      simulation.run(MINUTE_MS);
      last(simulation).jumpWallClock(730 * 86_400);
      simulation.run(MINUTE_MS);
      expect(alarms.suspicions).toBe(0);
      expectAgreement(simulation, SECOND_MS);
    });
  });
});

describe('after a failure of many', () => {
  test('a partition of an hour heals within a minute of its end', () => {
    simulate({ nodes: 10 }, (simulation) => {
      formMesh(simulation);
      const half = simulation.nodes.slice(0, 5);
      simulation.network.partition(half, simulation.nodes.slice(5));
      simulation.run(HOUR_MS);
      for (const node of half) expect(node.mesh?.health().counts.dead).toBe(5);
      simulation.network.healAll();
      expectAgreement(simulation, MINUTE_MS);
    });
  });

  test('a node that is heard but hears nothing does not bring down the others', () => {
    simulate({ nodes: 20, seeds: [1, 2] }, (simulation) => {
      formMesh(simulation);
      const others = simulation.nodes.slice(0, -1);
      const alarms = new FalseAlarms(simulation);
      simulation.network.cut(others, [last(simulation)]);
      simulation.run(5 * MINUTE_MS);
      const buried = [...alarms.buried].filter((id) => id !== last(simulation).id);
      expect(buried).toEqual([]);
      simulation.network.healAll();
      expectAgreement(simulation, MINUTE_MS);
    });
  });

  test('all restart with every seed gone: it forms from what they saved', () => {
    simulate({ nodes: 20, seeds: [1, 2] }, (simulation) => {
      formMesh(simulation);
      for (const node of simulation.nodes) node.crash();
      simulation.run(MINUTE_MS);
      const survivors = simulation.nodes.slice(2);
      for (const node of survivors) node.start();
      const together = () => survivors.every((node) => node.mesh?.health().counts.alive === 17);
      expect(simulation.runUntil(together, MINUTE_MS)).not.toBeNull();
      expectAgreement(simulation, 2 * MINUTE_MS);
    });
  });

  test('a third is killed at once, and comes back', () => {
    simulate({ nodes: 30, seeds: [1, 2] }, (simulation) => {
      formMesh(simulation);
      const third = simulation.random.sample(simulation.nodes, 10);
      for (const node of third) node.crash();
      expectAgreement(simulation, 2 * MINUTE_MS);
      for (const node of third) node.start();
      expectAgreement(simulation, 30 * SECOND_MS);
    });
  });
});

describe('under loss', () => {
  test('of 20 % nobody is given up in an hour', () => {
    simulate({ nodes: 10 }, (simulation) => {
      formMesh(simulation);
      simulation.setConditions({ lossRate: 0.2 });
      const alarms = new FalseAlarms(simulation);
      simulation.run(HOUR_MS);
      expect(alarms.deaths).toBe(0);
    });
  });
});

describe('whatever happens', () => {
  test('the invariants hold, and the mesh agrees when it is over', () => {
    simulate({ nodes: 10, seeds: [1, 2, 3, 4] }, (simulation, invariants) => {
      startAll(simulation);
      for (let round = 0; round < 10; round++) {
        runFaults(simulation, MINUTE_MS, 5 * SECOND_MS);
        invariants.auditAll();
      }
      endAll(simulation, 2);
      expectAgreement(simulation, 3 * MINUTE_MS);
    });
  });
});
