// Who lies about where it is: nothing that is longer than what it says goes there. On the simulator's network, where a
// source address can be anything.

import { describe, expect, test } from 'vitest';
import { Adversary } from '../../test/sim/adversary.js';
import { createWorld } from '../../test/sim/mesh-world.js';
import type { SimulatedNode } from '../../test/sim/node.js';
import { endpointOf, type Simulation } from '../../test/sim/simulation.js';
import { fromHex } from '../core/hex.js';
import { sameEndpoint } from '../core/network.js';
import type { Datagram, Endpoint } from '../core/types.js';
import { ACCEPT_TYPE } from '../wire/gossip.js';
import { DIGEST_KEY_BYTES } from './swim/push-pull.js';

const HONEST = 30;
/** Of somebody who has nothing to do with the mesh. */
const BYSTANDER = endpointOf(900);

/** Writes with the bystander's address, and reads at its own. */
class Spoofer extends Adversary {
  /** From the first word on: only the handshake is honest. */
  fromTheStart = false;

  set source(endpoint: Endpoint) {
    Object.assign(this, { endpoint });
  }

  override deliver(datagram: Datagram): void {
    if (this.fromTheStart && datagram.bytes[0] === ACCEPT_TYPE) this.source = BYSTANDER;
    super.deliver(datagram);
  }
}

interface Scene {
  readonly simulation: Simulation;
  readonly asked: SimulatedNode;
  readonly mallory: Spoofer;
  /** Bytes that went from `asked` to the bystander. */
  toBystander: number;
}

function scene(): Scene {
  const simulation = createWorld({ seed: 5, nodes: HONEST + 1 });
  const honest = simulation.nodes.slice(0, HONEST);
  for (const node of honest) node.start();
  simulation.run(10_000);
  const mallory = new Spoofer(simulation, simulation.nodes[HONEST] as SimulatedNode);
  const result = { simulation, asked: honest[3] as SimulatedNode, mallory, toBystander: 0 };
  simulation.network.onSend = (from, to, bytes) => {
    if (from === result.asked && sameEndpoint(to, BYSTANDER)) result.toBystander += bytes.length;
  };
  return result;
}

/** Asks for all records, again and again. @returns the bytes that were sent for it */
function askForAll({ simulation, asked, mallory }: Scene): number {
  const ids = simulation.nodes.slice(0, HONEST).map(({ id }) => fromHex(id) as Uint8Array);
  const keys = new Uint8Array(ids.length * DIGEST_KEY_BYTES);
  for (const [i, id] of ids.entries()) {
    keys.set(id.subarray(0, DIGEST_KEY_BYTES), i * DIGEST_KEY_BYTES);
  }
  const before = simulation.network.sentBy(mallory).bytes;
  for (let round = 0; round < 50; round++) {
    mallory.say(asked, { type: 'want', keys });
    simulation.run(200);
  }
  return simulation.network.sentBy(mallory).bytes - before;
}

const records = ({ heard }: Adversary) => heard.filter(({ message }) => message.type === 'record');

describe('bulk', () => {
  test('goes to a member where it is', () => {
    const s = scene();
    s.mallory.introduce(s.asked);
    s.simulation.run(2_000);
    const sent = askForAll(s);
    expect(records(s.mallory).length).toBeGreaterThan(50 * (HONEST - 2));
    expect(s.simulation.network.sentBy(s.asked).bytes).toBeGreaterThan(10 * sent);
  });

  test('stays where it was when a member pretends to have moved', () => {
    const s = scene();
    s.mallory.introduce(s.asked);
    s.simulation.run(2_000);
    s.mallory.source = BYSTANDER;
    const sent = askForAll(s);
    expect(s.toBystander).toBeGreaterThan(0);
    expect(s.toBystander).toBeLessThan(sent / 2);
    const seen = s.asked.mesh?.member(s.mallory.identity.id);
    expect(seen?.observedEndpoint).not.toEqual(BYSTANDER);
  });

  test('goes nowhere as long as a member was never where it says it is', () => {
    const s = scene();
    s.mallory.fromTheStart = true;
    s.mallory.introduce(s.asked, { endpoints: [BYSTANDER] });
    s.simulation.run(2_000);
    const sent = askForAll(s);
    const seen = s.asked.mesh?.member(s.mallory.identity.id);
    expect(seen).toMatchObject({ observedEndpoint: null });
    expect(s.toBystander).toBeLessThan(sent);
    expect(s.asked.mesh?.counters()['unproven-path']).toBeGreaterThan(0);
  });
});

describe('a member', () => {
  test('has others pinged through a node no more often than it may', () => {
    const s = scene();
    s.mallory.introduce(s.asked);
    s.simulation.run(2_000);
    const target = (s.simulation.nodes[7] as SimulatedNode).id;
    for (let sequence = 0; sequence < 500; sequence++) {
      const nonce = new Uint8Array(16);
      s.mallory.say(s.asked, { type: 'indirect-ping', sequence, target, nonce, waitMs: 0 });
    }
    s.simulation.run(1_000);
    const over = s.asked.mesh?.counters()['relay-over-rate'] ?? 0;
    expect(over).toBeGreaterThanOrEqual(500 - 60);
    expect(over).toBeLessThan(500);
  });
});

describe('a member that has moved', () => {
  test('is followed one round trip after its first word from there', () => {
    const simulation = createWorld({ seed: 5, nodes: 2 });
    const [a, b] = simulation.nodes as [SimulatedNode, SimulatedNode];
    for (const node of [a, b]) node.start();
    simulation.run(5_000);
    const elsewhere = endpointOf(1, 7);
    b.moveTo(elsewhere);
    const followed = simulation.runUntil(() => {
      const seen = a.mesh?.member(b.id)?.observedEndpoint ?? null;
      return seen !== null && sameEndpoint(seen, elsewhere);
    }, 5_000);
    expect(followed).not.toBeNull();
    expect(a.mesh?.counters()['path-proven']).toBe(1);
  });
});
