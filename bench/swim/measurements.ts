// What is measured, each in a simulation of its own. All times are virtual; only the CPU is real.

import type { MeshCrypto } from '../../src/core/crypto.js';
import { DEFAULT_SWIM_CONFIG } from '../../src/mesh/swim/config.js';
import { minimumTimeoutMs } from '../../src/mesh/swim/suspicion.js';
import { agree, disagreements } from '../../test/sim/agreement.js';
import { createWorld, type WorldOptions } from '../../test/sim/mesh-world.js';
import { DeathWatch, FalseAlarms, quantile, SpreadWatch } from '../../test/sim/metrics.js';
import type { SimulatedNode } from '../../test/sim/node.js';
import { endpointOf, type Simulation } from '../../test/sim/simulation.js';

export interface Conditions {
  readonly nodes: number;
  readonly lossRate: number;
  readonly seed: number;
}

export interface Spread {
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface FalseAlarmRate extends Conditions {
  readonly hours: number;
  readonly suspicions: number;
  readonly deaths: number;
  readonly buriedNodes: number;
  readonly meanAwareness: number;
  readonly bytesPerSecond: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Nobody who forms a mesh should wait for longer. */
const FORM_LIMIT_MS = 10 * MINUTE_MS;
/** Until the news of forming the mesh have died out. */
const SETTLE_MS = 20_000;

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** Larger meshes start acquainted: forming is measured in the smaller ones. */
const MAX_FORMED = 100;

/** A mesh that has formed without loss, then meets the conditions. `formedMs`: from the start of all nodes at once. */
export function formedWorld(
  { nodes, lossRate, seed }: Conditions,
  options: Partial<WorldOptions> = {},
): { simulation: Simulation; formedMs: number } {
  const acquainted = nodes > MAX_FORMED;
  const simulation = createWorld({ seed, nodes, acquainted, ...options });
  for (const node of simulation.nodes) node.start();
  const formedMs = simulation.runUntil(() => agree(simulation), FORM_LIMIT_MS, 100);
  if (formedMs === null) throw new Error(`No mesh: ${disagreements(simulation).join('; ')}`);
  simulation.run(SETTLE_MS);
  simulation.setConditions({ lossRate });
  return { simulation, formedMs };
}

/** How long a change of one node's routes takes to the others, over `changes` changes one after another. */
export function measureConvergence(conditions: Conditions, changes: number) {
  const { simulation, formedMs } = formedWorld(conditions);
  const perNode: number[] = [];
  const last: number[] = [];
  for (let change = 0; change < changes; change++) {
    const subject = simulation.random.pick(simulation.nodes);
    const route = { address: Uint8Array.of(172, 16, change, 0), length: 24 };
    const watch = new SpreadWatch(simulation, subject, 1);
    subject.perform((mesh, nowMs) => mesh.setRoutes(nowMs, [route]));
    const others = simulation.nodes.length - 1;
    simulation.runUntil(() => watch.reached === others, 2 * MINUTE_MS, 20);
    simulation.run(SETTLE_MS);
    const times = watch.end();
    perNode.push(...times);
    last.push(times.length === others ? (times.at(-1) ?? 0) : Number.POSITIVE_INFINITY);
  }
  return { ...conditions, changes, formedMs, perNode: spreadOf(perNode), last: spreadOf(last) };
}

/** kill -9 of one node after another; each is back before the next. */
export function measureDetection(conditions: Conditions, kills: number) {
  const { simulation } = formedWorld(conditions);
  const firstSuspected: number[] = [];
  const firstDead: number[] = [];
  const allDead: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const victim = simulation.random.pick(simulation.nodes);
    const watch = new DeathWatch(simulation, victim);
    victim.crash();
    const others = simulation.nodes.length - 1;
    simulation.runUntil(() => watch.deadMs.size === others, 5 * MINUTE_MS);
    watch.end();
    firstSuspected.push(Math.min(...watch.suspectedMs.values()));
    firstDead.push(Math.min(...watch.deadMs.values()));
    allDead.push(Math.max(...watch.deadMs.values()));
    victim.start();
    simulation.runUntil(() => agree(simulation), 5 * MINUTE_MS, 500);
    simulation.run(simulation.random.between(0, 5_000));
  }
  const { suspicionMultiplier, suspicionMaxMultiplier, probeIntervalMs } = DEFAULT_SWIM_CONFIG;
  const minimumMs = minimumTimeoutMs(suspicionMultiplier, conditions.nodes, probeIntervalMs);
  return {
    ...conditions,
    kills,
    suspicionMinMs: minimumMs,
    suspicionMaxMs: minimumMs * suspicionMaxMultiplier,
    firstSuspected: spreadOf(firstSuspected),
    firstDead: spreadOf(firstDead),
    allDead: spreadOf(allDead),
  };
}

/**
 * Who is wrongly suspected and wrongly given up while every node runs.
 * @param progress the result so far, after each simulated hour
 */
export function measureFalseAlarms(
  conditions: Conditions,
  hours: number,
  progress: (result: FalseAlarmRate) => void = () => {},
): FalseAlarmRate {
  const { simulation } = formedWorld(conditions);
  const alarms = new FalseAlarms(simulation);
  const bytesBefore = totalTraffic(simulation.nodes, simulation).bytes;
  let awareness = 0;
  let minutes = 0;
  const result = () => {
    const bytes = totalTraffic(simulation.nodes, simulation).bytes - bytesBefore;
    return {
      ...conditions,
      hours: minutes / 60,
      suspicions: alarms.suspicions,
      deaths: alarms.deaths,
      buriedNodes: alarms.buried.size,
      meanAwareness: awareness / minutes / conditions.nodes,
      bytesPerSecond: bytes / conditions.nodes / (minutes * 60),
    };
  };
  while (minutes < hours * 60) {
    simulation.run(MINUTE_MS);
    for (const node of simulation.nodes) awareness += node.mesh?.health().awareness ?? 0;
    minutes++;
    if (minutes % 60 === 0) progress(result());
  }
  return result();
}

/**
 * Lifeguard's experiment: `slow` nodes stop for `pauseMs` again and again, which must not bring down the healthy ones.
 */
export function measurePauses(conditions: Conditions, slow: number, pauseMs: number) {
  const minutes = 10;
  const { simulation } = formedWorld(conditions);
  const victims = simulation.random.sample(simulation.nodes, slow);
  const healthy = new Set(simulation.nodes.filter((node) => !victims.includes(node)));
  const alarms = new FalseAlarms(simulation);
  const endMs = simulation.nowMs + minutes * MINUTE_MS;
  const cycle = (node: SimulatedNode) => {
    if (simulation.nowMs >= endMs) return;
    node.pause();
    simulation.after(pauseMs, () => node.resume());
    simulation.after(pauseMs + simulation.random.between(1, 2_000), () => cycle(node));
  };
  for (const victim of victims)
    simulation.after(simulation.random.between(0, 1_000), () => cycle(victim));
  simulation.run(minutes * MINUTE_MS);
  const buriedHealthy = [...alarms.buried].filter((id) => {
    const node = simulation.node(id);
    return node !== undefined && healthy.has(node);
  });
  simulation.run(2 * pauseMs);
  const healedMs = simulation.runUntil(() => agree(simulation), 10 * MINUTE_MS, 500);
  return { ...conditions, slow, pauseMs, minutes, buriedHealthy: buriedHealthy.length, healedMs };
}

/** What a mesh costs in which nothing happens. */
export function measureIdle(conditions: Conditions, minutes: number, crypto?: MeshCrypto) {
  const { simulation } = formedWorld(conditions, crypto ? { crypto } : {});
  const before = simulation.nodes.map((node) => ({ ...simulation.network.sentBy(node) }));
  const cpuBefore = process.cpuUsage();
  simulation.run(minutes * MINUTE_MS);
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = minutes * 60;
  const bytes = simulation.nodes.map(
    (node, i) => (simulation.network.sentBy(node).bytes - (before[i]?.bytes ?? 0)) / seconds,
  );
  const datagrams = totalTraffic(simulation.nodes, simulation).datagrams;
  const datagramsBefore = before.reduce((sum, each) => sum + each.datagrams, 0);
  return {
    ...conditions,
    minutes,
    bytesPerSecond: spreadOf(bytes),
    datagramsPerSecond: (datagrams - datagramsBefore) / seconds / conditions.nodes,
    /** Share of one core for each node, with the simulator's own work. */
    cpuShare: (cpu.user + cpu.system) / 1e6 / seconds / conditions.nodes,
    crypto: crypto ? 'real' : 'stand-in',
  };
}

/** Two halves that cannot reach each other for an hour: from the end of that until all agree. */
export function measurePartition(conditions: Conditions, hours: number) {
  const { simulation } = formedWorld(conditions);
  const half = simulation.random.sample(simulation.nodes, conditions.nodes / 2);
  const others = simulation.nodes.filter((node) => !half.includes(node));
  simulation.network.partition(half, others);
  simulation.run(hours * HOUR_MS);
  simulation.network.healAll();
  const healedMs = simulation.runUntil(() => agree(simulation), 10 * MINUTE_MS);
  return { ...conditions, hours, healedMs };
}

/** All nodes die at once, every seed is gone for good, the others start again from what they saved. */
export function measureRestart(conditions: Conditions) {
  const seedNodes = 2;
  const { simulation } = formedWorld(conditions, { seedNodes });
  for (const node of simulation.nodes) node.crash();
  simulation.run(MINUTE_MS);
  const survivors = simulation.nodes.slice(seedNodes);
  for (const node of survivors) node.start();
  // by the records of this run: those of the one before are known from the disk
  const knows = (node: SimulatedNode, other: SimulatedNode) =>
    node.mesh?.member(other.id)?.record.incarnation === other.mesh?.self().incarnation;
  const knowEachOther = () =>
    survivors.every((node) => survivors.every((other) => other === node || knows(node, other)));
  const formedMs = simulation.runUntil(knowEachOther, 10 * MINUTE_MS);
  const agreedMs = simulation.runUntil(() => agree(simulation), 10 * MINUTE_MS);
  return { ...conditions, survivors: survivors.length, formedMs, agreedMs };
}

/** A new node, which knows one seed: until it knows all, and all know it. */
export function measureJoin(conditions: Conditions) {
  const { simulation } = formedWorld({ ...conditions, nodes: conditions.nodes }, {});
  const joiner = simulation.nodes.at(-1) as SimulatedNode;
  joiner.crash();
  simulation.run(2 * MINUTE_MS);
  joiner.moveTo(endpointOf(joiner.index, 1));
  joiner.restart({ loseState: true });
  const knowsAllMs = simulation.runUntil(
    () => joiner.mesh?.health().counts.alive === conditions.nodes - 1,
    5 * MINUTE_MS,
    10,
  );
  const allKnowMs = simulation.runUntil(() => agree(simulation), 5 * MINUTE_MS, 10);
  return {
    ...conditions,
    knowsAllMs,
    allKnowMs: knowsAllMs === null || allKnowMs === null ? null : knowsAllMs + allKnowMs,
  };
}

function totalTraffic(nodes: readonly SimulatedNode[], { network }: Simulation) {
  const total = { datagrams: 0, bytes: 0 };
  for (const node of nodes) {
    const { datagrams, bytes } = network.sentBy(node);
    total.datagrams += datagrams;
    total.bytes += bytes;
  }
  return total;
}
