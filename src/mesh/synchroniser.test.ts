// Push/pull between two, where whole meshes rarely get to.

import { expect, test } from 'vitest';
import { Adversary } from '../../test/sim/adversary.js';
import { createWorld } from '../../test/sim/mesh-world.js';
import type { SimulatedNode } from '../../test/sim/node.js';
import { BUCKETS } from './swim/push-pull.js';

/** Of a mesh of thousands: something is in each. */
const FULL_BUCKETS = new Uint8Array(BUCKETS * 6).fill(0xee);

test('a newcomer, whose pages are short, shows all of them', () => {
  const simulation = createWorld({ seed: 5, nodes: 3 });
  const [a, b, machine] = simulation.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  for (const node of [a, b]) node.start();
  const other = new Adversary(simulation, machine);
  other.introduce(a);
  simulation.run(2_000);
  other.say(a, { type: 'buckets', hashes: FULL_BUCKETS });
  simulation.run(1_000);
  const pages = other.heard.filter(({ message }) => message.type === 'page');
  expect(pages).toHaveLength(BUCKETS);
});
