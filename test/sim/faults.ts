// What goes wrong in a run, at times and places that its seed decides. Each fault ends by itself; endAll() ends what
// is left, so that a run can ask whether the mesh comes back.

import type { SimulatedNode } from './node.js';
import { endpointOf, type Simulation } from './simulation.js';

type Fault = (simulation: Simulation, victim: SimulatedNode) => void;

const seconds = (simulation: Simulation, low: number, high: number) =>
  simulation.random.between(low, high) * 1000;

/** Ends in a restart, with or without what the disk held. */
function crash(loseState: boolean): Fault {
  return (simulation, victim) => {
    simulation.note(`node ${victim.index} crashes${loseState ? ' and loses its state' : ''}`);
    victim.crash();
    simulation.after(seconds(simulation, 0.05, 60), () => {
      simulation.note(`node ${victim.index} starts again`);
      victim.restart({ loseState });
    });
  };
}

function pause(simulation: Simulation, victim: SimulatedNode): void {
  simulation.note(`node ${victim.index} freezes`);
  victim.pause();
  simulation.after(seconds(simulation, 0.2, 30), () => {
    simulation.note(`node ${victim.index} thaws`);
    victim.resume();
  });
}

function sleep(simulation: Simulation, victim: SimulatedNode): void {
  const ms = seconds(simulation, 1, 3600);
  simulation.note(`node ${victim.index} has slept for ${Math.round(ms)} ms`);
  victim.jumpMonotonicClock(ms);
}

function jumpWallClock(simulation: Simulation, victim: SimulatedNode): void {
  const jump = Math.round(simulation.random.between(-1e6, 1e6));
  simulation.note(`the wall clock of node ${victim.index} jumps by ${jump} s`);
  victim.jumpWallClock(jump);
}

/** Between a random part of the nodes and the others, both ways or one. */
function cut(simulation: Simulation): void {
  const { nodes, network, random } = simulation;
  const some = new Set(random.sample(nodes, 1 + random.below(nodes.length - 1)));
  const others = nodes.filter((node) => !some.has(node));
  const cuts = random.chance(0.5) ? network.partition(some, others) : [network.cut(some, others)];
  const names = [...some].map((node) => node.index).join(', ');
  simulation.note(`${cuts.length === 2 ? 'cut off' : 'cut off one way'}: nodes ${names}`);
  simulation.after(seconds(simulation, 1, 90), () => {
    simulation.note(`no longer cut off: nodes ${names}`);
    for (const each of cuts) network.heal(each);
  });
}

function weather(simulation: Simulation): void {
  const { random } = simulation;
  const conditions = {
    lossRate: random.unit() * 0.4,
    duplicateRate: random.unit() * 0.2,
    lateRate: random.unit() * 0.2,
    lateMs: random.between(0, 2_000),
    delayMs: random.between(0, 200),
  };
  simulation.note(`the network becomes ${JSON.stringify(conditions)}`);
  simulation.setConditions(conditions);
}

function move(simulation: Simulation, victim: SimulatedNode): void {
  const endpoint = endpointOf(victim.index, 1 + simulation.random.below(250));
  simulation.note(`node ${victim.index} moves to ${endpoint.address.join('.')}`);
  victim.moveTo(endpoint);
}

function leave(simulation: Simulation, victim: SimulatedNode): void {
  simulation.note(`node ${victim.index} leaves`);
  victim.leave();
  if (simulation.random.chance(0.3)) return;
  simulation.after(seconds(simulation, 3, 60), () => {
    simulation.note(`node ${victim.index} comes back`);
    victim.start();
  });
}

const FAULTS: readonly Fault[] = [
  crash(false),
  crash(true),
  pause,
  sleep,
  jumpWallClock,
  cut,
  weather,
  move,
  leave,
];

/** One fault after another, `everyMs` apart on average, for `durationMs`. */
export function runFaults(simulation: Simulation, durationMs: number, everyMs: number): void {
  const { random, nodes } = simulation;
  const endMs = simulation.nowMs + durationMs;
  while (simulation.nowMs < endMs) {
    simulation.run(random.between(0, 2 * everyMs));
    const victim = random.pick(nodes);
    if (victim.isLive && !victim.hasLeft) random.pick(FAULTS)(simulation, victim);
  }
}

/**
 * A calm network, and every machine running that did not leave. The first `seeds` all run, where they are known to be: a
 * node that has lost its state knows nobody else.
 */
export function endAll(simulation: Simulation, seeds: number): void {
  simulation.note('all faults end');
  simulation.network.healAll();
  simulation.setConditions({ lossRate: 0, duplicateRate: 0, lateRate: 0, delayMs: 10 });
  for (const node of simulation.nodes) {
    node.resume();
    if (node.index < seeds) node.moveTo(endpointOf(node.index));
    if (node.wasStarted && (!node.hasLeft || node.index < seeds)) node.start();
  }
}
