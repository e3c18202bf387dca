// The mesh core with two or three nodes on the simulator's network: one mechanism a test. What must come true of whole meshes
// is in test/sim.

import { describe, expect, test, vi } from 'vitest';
import { createWorld } from '../../test/sim/mesh-world.js';
import type { SimulatedNode } from '../../test/sim/node.js';
import { endpointOf, type Simulation } from '../../test/sim/simulation.js';
import { HELLO_LENGTH } from '../wire/gossip.js';
import type { Mesh } from './mesh.js';
import type { Member, MemberRecord } from './types.js';

const HOUR_MS = 3_600_000;

type Nodes = [SimulatedNode, SimulatedNode, SimulatedNode];

function meshOf(count: number): { simulation: Simulation; nodes: Nodes } {
  const simulation = createWorld({ seed: 5, nodes: count });
  for (const node of simulation.nodes) node.start();
  simulation.run(5_000);
  return { simulation, nodes: simulation.nodes as unknown as Nodes };
}

const seen = (by: SimulatedNode, of: SimulatedNode): Member | undefined => by.mesh?.member(of.id);
const self = (node: SimulatedNode): MemberRecord => {
  if (node.mesh === null) throw new Error('not running');
  return node.mesh.self();
};
const counter = (node: SimulatedNode, name: string) => node.mesh?.counters()[name] ?? 0;

describe('members', () => {
  test('find each other, and know where they are and how far', () => {
    const { nodes } = meshOf(3);
    const [a, , c] = nodes;
    expect(seen(a, c)).toMatchObject({ state: 'alive', observedEndpoint: c.endpoint });
    expect(seen(a, c)?.record).toEqual(self(c));
    expect(seen(a, c)?.rttMs).toBeGreaterThan(0);
    expect(a.mesh?.health().counts).toEqual({ alive: 2, suspect: 0, dead: 0, left: 0 });
  });

  test('that are killed are suspected, then dead, and alive again when they are back', () => {
    const { simulation, nodes } = meshOf(3);
    const [a, , c] = nodes;
    c.crash();
    expect(simulation.runUntil(() => seen(a, c)?.state === 'suspect', 10_000)).not.toBeNull();
    expect(simulation.runUntil(() => seen(a, c)?.state === 'dead', 60_000)).not.toBeNull();
    c.start();
    expect(simulation.runUntil(() => seen(a, c)?.state === 'alive', 10_000)).not.toBeNull();
  });

  test('that leave say so, and are never dead', () => {
    const { simulation, nodes } = meshOf(3);
    const [a, b, c] = nodes;
    c.leave();
    simulation.run(1_000);
    expect([seen(a, c)?.state, seen(b, c)?.state]).toEqual(['left', 'left']);
    simulation.run(120_000);
    expect(seen(a, c)?.state).toBe('left');
    c.start();
    simulation.run(5_000);
    expect(seen(a, c)?.state).toBe('alive');
  });

  test('that were started without their state go above what they once were', () => {
    const { simulation, nodes } = meshOf(3);
    const [a, , c] = nodes;
    for (let move = 1; move <= 3; move++) c.moveTo(endpointOf(2, move));
    simulation.run(2_000);
    const before = self(c).incarnation;
    c.restart({ loseState: true });
    simulation.run(5_000);
    expect(self(c).incarnation).toBeGreaterThan(before);
    expect(seen(a, c)?.record).toEqual(self(c));
  });

  test('whose tunnels carry traffic are not given up, though their gossip is lost', () => {
    const { simulation, nodes } = meshOf(2);
    const [a, b] = nodes;
    b.crash();
    for (let i = 0; i < 120; i++) {
      a.perform((mesh, nowMs) => mesh.trafficSeen(nowMs, b.id));
      simulation.run(500);
    }
    expect(seen(a, b)?.state).not.toBe('dead');
    expect(simulation.runUntil(() => seen(a, b)?.state === 'dead', 60_000)).not.toBeNull();
  });
});

describe('what is known of a member', () => {
  test('says since when it is in its state, whatever it says of itself meanwhile', () => {
    const { simulation, nodes } = meshOf(3);
    const [a, , c] = nodes;
    const sinceMs = seen(a, c)?.stateSinceMs;
    c.perform((mesh, nowMs) => mesh.setCapabilities(nowMs, ['new/1']));
    simulation.run(2_000);
    expect(seen(a, c)?.record.capabilities).toEqual(['new/1']);
    expect(seen(a, c)?.stateSinceMs).toBe(sinceMs);
    c.crash();
    expect(simulation.runUntil(() => seen(a, c)?.state === 'suspect', 10_000)).not.toBeNull();
    expect(seen(a, c)?.stateSinceMs).toBeGreaterThan(sinceMs ?? Infinity);
  });

  test('is proven again and again as to where it is, and not believed for ever', () => {
    const { simulation, nodes } = meshOf(2);
    const [a, b] = nodes;
    const before = counter(a, 'path-proven');
    simulation.run(HOUR_MS);
    expect(counter(a, 'path-proven') - before).toBeGreaterThanOrEqual(3);
    expect(counter(a, 'unproven-address')).toBe(0);
    b.crash();
    let sent = 0;
    let longest = 0;
    simulation.network.onSend = (from, _to, bytes) => {
      if (from !== a) return;
      sent += bytes.length;
      longest = Math.max(longest, bytes.length);
    };
    simulation.run(2 * HOUR_MS);
    expect(longest).toBeGreaterThan(HELLO_LENGTH);
    [sent, longest] = [0, 0];
    simulation.run(HOUR_MS);
    expect(longest).toBe(HELLO_LENGTH);
    // twice in five minutes, and as a seed four times a minute
    expect(sent).toBeLessThan(HELLO_LENGTH * (12 * 2 + 60 * 1.4 * 4));
    b.start();
    expect(simulation.runUntil(() => seen(a, b)?.state === 'alive', 10_000)).not.toBeNull();
  });
});

describe('a node', () => {
  test('saves an incarnation before anybody can hear of it', () => {
    const { simulation, nodes } = meshOf(2);
    const [a, b] = nodes;
    for (let move = 1; move <= 40; move++) {
      b.moveTo(endpointOf(1, move));
      expect(b.saved?.incarnation).toBeGreaterThan(self(b).incarnation);
      simulation.run(100);
    }
    const last = self(b).incarnation;
    b.restart();
    simulation.run(5_000);
    expect(self(b).incarnation).toBeGreaterThan(last);
    expect(seen(a, b)?.record).toEqual(self(b));
  });

  test('that did not run doubts itself, and accuses nobody', () => {
    const { simulation, nodes } = meshOf(3);
    const [a, b, c] = nodes;
    a.pause();
    simulation.run(60_000);
    a.resume();
    expect(a.mesh?.health().awareness).toBeGreaterThan(0);
    simulation.run(20_000);
    expect([seen(a, b)?.state, seen(a, c)?.state]).toEqual(['alive', 'alive']);
    expect([counter(a, 'paused'), counter(a, 'suspected')]).toEqual([1, 0]);
    expect(a.mesh?.health().awareness).toBe(0);
  });

  test('says how long a ping took, or that nobody answered', () => {
    const { simulation, nodes } = meshOf(2);
    const [a, b] = nodes;
    const pongs: (number | null)[] = [];
    const mesh = a.mesh as Mesh;
    const takeEffects = mesh.takeEffects.bind(mesh);
    vi.spyOn(mesh, 'takeEffects').mockImplementation(() => {
      const effects = takeEffects();
      for (const effect of effects) if (effect.type === 'pong') pongs.push(effect.rttMs);
      return effects;
    });
    a.perform((_, nowMs) => mesh.ping(nowMs, b.id));
    simulation.run(3_000);
    expect(pongs).toEqual([expect.any(Number)]);
    b.crash();
    a.perform((_, nowMs) => mesh.ping(nowMs, b.id));
    simulation.run(3_000);
    expect(pongs).toEqual([expect.any(Number), null]);
    a.perform((_, nowMs) => {
      mesh.ping(nowMs, b.id);
      mesh.leave(nowMs);
    });
    expect(pongs).toHaveLength(3);
    a.perform((_, nowMs) => mesh.ping(nowMs, b.id));
    expect(pongs).toEqual([expect.any(Number), null, null, null]);
  });

  test('knows nobody whom nobody trusts, and an empty mesh wants no ticks in a row', () => {
    const simulation = createWorld({ seed: 5, nodes: 1, seedNodes: 0 });
    const [alone] = simulation.nodes as unknown as Nodes;
    alone.start();
    let ticks = 0;
    simulation.observers.push({ stepped: () => void ticks++ });
    simulation.run(600_000);
    expect(ticks).toBeLessThan(2_000);
    expect([...(alone.mesh?.members() ?? [])]).toEqual([]);
  });

  // A /28 holds 13 nodes: most lose an address here, and many the next one too.
  test.each([1, 2, 3, 4])('of a small prefix all come to an address (seed %i)', (seed) => {
    const simulation = createWorld({ seed, nodes: 10, v4Length: 28 });
    for (const node of simulation.nodes) node.start();
    simulation.run(60_000);
    for (const node of simulation.nodes) {
      const { granted, losers } = (node.mesh as Mesh).addresses();
      expect(losers).toEqual([]);
      expect(granted.get(node.id)).toHaveLength(2);
    }
  });

  test('that find no address free do without, and leave the others in peace', () => {
    const simulation = createWorld({ seed: 1, nodes: 8, v4Length: 29 });
    for (const node of simulation.nodes) node.start();
    simulation.run(60_000);
    const before = simulation.nodes.map((node) => self(node).incarnation);
    simulation.run(120_000);
    const tables = simulation.nodes.map((node) => (node.mesh as Mesh).addresses());
    expect(tables[0]?.owners.size).toBe(5 + 8);
    for (const { losers } of tables) expect(losers).toHaveLength(3);
    expect(simulation.nodes.map((node) => self(node).incarnation)).toEqual(before);
  });
});
