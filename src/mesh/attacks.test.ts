// What one member can cost a node, or have it cost others: each message type has its bound. What it can make a mesh believe is
// in test/sim/attacks.test.ts.

import { describe, expect, test, vi } from 'vitest';
import { Adversary, type Peer } from '../../test/sim/adversary.js';
import { simulationCrypto } from '../../test/sim/crypto.js';
import { AUTHORITY, createWorld, MESH_ID, MESH_KEY } from '../../test/sim/mesh-world.js';
import type { SimulatedNode } from '../../test/sim/node.js';
import { endpointOf, type Simulation } from '../../test/sim/simulation.js';
import type { Endpoint } from '../core/types.js';
import { InviteBook } from './invite.js';
import type { Mesh } from './mesh.js';
import type { Message } from './messages.js';
import { signAccusation, signRecord } from './record.js';
import { BUCKETS } from './swim/push-pull.js';

const HONEST = 12;
const SECOND_MS = 1_000;
const ELSEWHERE = endpointOf(HONEST, 1);
const FALSE_HASHES = new Uint8Array(BUCKETS * 6).fill(0xee);

/** Can write from several addresses, reads at each where it was attached, and proves that it does. */
class Roamer extends Adversary {
  readonly #network: Simulation['network'];

  constructor(simulation: Simulation, machine: SimulatedNode) {
    super(simulation, machine);
    this.#network = simulation.network;
  }

  writeFrom(endpoint: Endpoint): void {
    Object.assign(this, { endpoint });
  }

  readAt(endpoint: Endpoint): void {
    this.writeFrom(endpoint);
    this.#network.attach(this);
  }

  override answer(peer: Peer, message: Message): void {
    super.answer(peer, message);
    if (message.type !== 'path-challenge') return;
    this.say(peer, { type: 'path-response', nonce: message.nonce });
  }
}

interface Scene {
  readonly simulation: Simulation;
  readonly honest: readonly SimulatedNode[];
  readonly asked: SimulatedNode;
  readonly mallory: Roamer;
}

function scene(): Scene {
  const simulation = createWorld({ seed: 5, nodes: HONEST + 1 });
  const honest = simulation.nodes.slice(0, HONEST);
  for (const node of honest) node.start();
  simulation.run(10 * SECOND_MS);
  const mallory = new Roamer(simulation, simulation.nodes[HONEST] as SimulatedNode);
  for (const node of honest) mallory.introduce(node);
  simulation.run(2 * SECOND_MS);
  return { simulation, honest, asked: honest[3] as SimulatedNode, mallory };
}

const counter = (node: SimulatedNode, name: string) => node.mesh?.counters()[name] ?? 0;
const heard = ({ heard }: Adversary, type: Message['type']) =>
  heard.filter(({ message }) => message.type === type).length;

/** @returns how often the record of `of` changes from here on, at `at` */
function watchRecords(at: SimulatedNode, of: string): () => number {
  const mesh = at.mesh as Mesh;
  const takeEffects = mesh.takeEffects.bind(mesh);
  let changes = 0;
  vi.spyOn(mesh, 'takeEffects').mockImplementation(() => {
    const effects = takeEffects();
    for (const effect of effects) {
      const isOf = effect.type === 'member-changed' && effect.member.id === of;
      if (isOf && effect.reason === 'record') changes++;
    }
    return effects;
  });
  return () => changes;
}

describe('the rate of a member', () => {
  test('is that of all its messages, hellos and joins too', () => {
    const { simulation, asked, mallory } = scene();
    const join = {
      type: 'join',
      inviteId: new Uint8Array(16),
      proof: new Uint8Array(32),
      name: '',
    } as const;
    // no faster than their order is kept
    simulation.setConditions({ jitterMs: 0 });
    for (let i = 0; i < 12_000; i++) {
      if (i % 2 === 0) mallory.introduce(asked);
      else mallory.say(asked, join);
    }
    simulation.run(SECOND_MS);
    expect(counter(asked, 'member-over-rate')).toBeGreaterThan(1_000);
    expect(counter(asked, 'join-without-invites')).toBeLessThan(4_400);
  });

  test('is that of the pages that are looked at', () => {
    const { simulation, asked, mallory } = scene();
    const malformed = { type: 'page', bucket: 0, entries: Uint8Array.of(1) } as const;
    const packet = Array.from({ length: 100 }, () => malformed);
    for (let i = 0; i < 120; i++) mallory.say(asked, ...packet);
    simulation.run(SECOND_MS);
    const over = counter(asked, 'member-over-rate');
    expect(over).toBeGreaterThan(3_000);
    expect(counter(asked, 'page-malformed')).toBe(12_000 - over);
  });
});

describe('a record', () => {
  test('that changes and changes is taken now and then, and at last', () => {
    const { simulation, asked, mallory } = scene();
    const changes = watchRecords(asked, mallory.identity.id);
    for (let incarnation = 2; incarnation < 402; incarnation++) {
      mallory.introduce(asked, { incarnation });
      simulation.run(25);
    }
    expect(changes()).toBeGreaterThanOrEqual(16);
    expect(changes()).toBeLessThanOrEqual(16 + 4 * 10 + 1);
    expect(counter(asked, 'record-over-rate')).toBeGreaterThan(300);
    simulation.run(SECOND_MS);
    mallory.introduce(asked, { incarnation: 500, name: 'late' });
    simulation.run(SECOND_MS);
    expect(asked.mesh?.member(mallory.identity.id)?.record.name).toBe('late');
  });

  test('of another is not kept out by forgeries of it', () => {
    const { simulation, honest, asked, mallory } = scene();
    const victim = honest[5] as SimulatedNode;
    const { record } = asked.mesh?.member(victim.id) ?? {};
    if (record === undefined) throw new Error('not known');
    const posing = { ...mallory.identity, id: victim.id };
    for (let above = 1; above < 100; above++) {
      const forged = signRecord(posing, { ...record, incarnation: record.incarnation + above });
      mallory.say(asked, { type: 'record', ...forged });
    }
    victim.perform((mesh, nowMs) => mesh.setCapabilities(nowMs, ['new/1']));
    simulation.run(5 * SECOND_MS);
    expect(counter(asked, 'record-bad-signature')).toBe(99);
    expect(counter(asked, 'record-over-rate')).toBe(0);
    expect(asked.mesh?.member(victim.id)?.record.capabilities).toEqual(['new/1']);
  });
});

describe('a join that is refused', () => {
  test('is one line in ten seconds, however many there are', () => {
    const { simulation, asked, mallory } = scene();
    const lines: unknown[] = [];
    const mesh = asked.mesh as Mesh;
    const takeEffects = mesh.takeEffects.bind(mesh);
    vi.spyOn(mesh, 'takeEffects').mockImplementation(() => {
      const effects = takeEffects();
      for (const effect of effects) {
        if (effect.type === 'event' && effect.level === 'warn') lines.push(effect.fields.refused);
      }
      return effects;
    });
    mesh.setInvites(
      new InviteBook(
        {
          crypto: simulationCrypto,
          random: simulation.random,
          meshId: MESH_ID,
          meshKey: MESH_KEY,
          node: asked.id,
          signer: AUTHORITY,
          signerCertificate: null,
          nameOwner: () => null,
          isRevoked: () => false,
        },
        null,
      ),
    );
    for (let i = 0; i < 300; i++) {
      const [inviteId, proof] = [simulation.random.bytes(16), simulation.random.bytes(32)];
      mallory.say(asked, { type: 'join', inviteId, proof, name: 'x' });
      simulation.run(100);
    }
    expect(heard(mallory, 'join-refused')).toBeGreaterThan(290);
    expect(lines).toHaveLength(3);
    expect(lines[1]).toBeGreaterThan(90);
  });
});

describe('an accuser', () => {
  test('alone has nobody refute for ever, and nobody suspect all the others', () => {
    const { simulation, honest, asked, mallory } = scene();
    const before = counter(asked, 'suspected');
    for (let round = 0; round < 120; round++) {
      for (const target of honest) {
        const { incarnation } = target.mesh?.self() ?? { incarnation: 0 };
        const accusation = signAccusation(mallory.identity, target.id, incarnation);
        for (const told of [target, asked]) {
          mallory.say(told, { type: 'accusation', ...accusation });
        }
      }
      simulation.run(SECOND_MS / 2);
    }
    for (const node of honest) {
      expect(counter(node, 'refuted')).toBeGreaterThan(8);
      expect(counter(node, 'refuted')).toBeLessThanOrEqual(8 + 60 / 4 + 1);
      expect(node.mesh?.health().counts.dead).toBe(0);
    }
    expect(counter(asked, 'suspected') - before).toBeLessThanOrEqual(32 + 2 * 60 + 1);
    expect(counter(asked, 'accuser-over-rate')).toBeGreaterThan(0);
    simulation.run(60 * SECOND_MS);
    for (const node of honest) {
      for (const other of honest) {
        if (other !== node) expect(node.mesh?.member(other.id)?.state).toBe('alive');
      }
    }
  });

  test('is not silenced by forgeries of its word', () => {
    const { simulation, honest, asked, mallory } = scene();
    for (const accuser of honest) {
      for (const target of honest) {
        const { incarnation } = target.mesh?.self() ?? { incarnation: 0 };
        const forged = signAccusation(mallory.identity, target.id, incarnation);
        for (let again = 0; again < 5; again++) {
          mallory.say(asked, { type: 'accusation', ...forged, accuser: accuser.id });
        }
      }
    }
    const victim = honest[7] as SimulatedNode;
    victim.crash();
    simulation.run(60 * SECOND_MS);
    expect(counter(asked, 'accusation-bad-signature')).toBeGreaterThan(500);
    expect(counter(asked, 'accuser-over-rate')).toBe(0);
    expect(asked.mesh?.member(victim.id)?.state).toBe('dead');
  });
});

describe('push/pull', () => {
  test('gives a member one answer of a kind at a time', () => {
    const { simulation, asked, mallory } = scene();
    const before = { buckets: heard(mallory, 'buckets'), page: heard(mallory, 'page') };
    for (let i = 0; i < 100; i++) {
      mallory.say(asked, { type: 'digest', hash: new Uint8Array(16).fill(i) });
      mallory.say(asked, { type: 'buckets', hashes: FALSE_HASHES });
    }
    simulation.run(SECOND_MS);
    expect(heard(mallory, 'buckets') - before.buckets).toBe(1);
    expect(heard(mallory, 'page') - before.page).toBe(BUCKETS);
    expect(counter(asked, 'digest-over-rate')).toBe(99);
    expect(counter(asked, 'buckets-over-rate')).toBe(99);
  });

  test('does not go to where a member once was', () => {
    const { simulation, asked, mallory } = scene();
    const before = simulation.network.sentBy(mallory).bytes;
    const records = heard(mallory, 'record');
    const ownBucket = Number.parseInt(asked.id.slice(0, 2), 16) % BUCKETS;
    let answered = 0;
    simulation.network.onSend = (from, _to, { length }) => {
      if (from === asked) answered += length;
    };
    // nobody reads there: the challenge is not answered
    mallory.writeFrom(endpointOf(900));
    for (let i = 0; i < 30; i++) {
      mallory.say(asked, { type: 'buckets', hashes: FALSE_HASHES });
      mallory.say(asked, { type: 'page', bucket: ownBucket, entries: new Uint8Array(0) });
      simulation.run(300);
    }
    expect(heard(mallory, 'page')).toBe(0);
    expect(heard(mallory, 'record')).toBe(records);
    expect(answered).toBeLessThan((simulation.network.sentBy(mallory).bytes - before) / 2);
    expect(counter(asked, 'unproven-path')).toBeGreaterThan(0);
  });

  test.each([
    ['has moved', [ELSEWHERE]],
    ['speaks by two ways in turn', [endpointOf(HONEST), ELSEWHERE]],
  ])('is answered when a member %s', (_name, ways) => {
    const { simulation, asked, mallory } = scene();
    for (const way of ways) mallory.readAt(way);
    for (let i = 0; i < 10; i++) {
      mallory.writeFrom(ways[i % ways.length] as Endpoint);
      const before = { buckets: heard(mallory, 'buckets'), page: heard(mallory, 'page') };
      mallory.say(asked, { type: 'digest', hash: new Uint8Array(16) });
      mallory.say(asked, { type: 'buckets', hashes: FALSE_HASHES });
      simulation.run(500);
      expect(heard(mallory, 'buckets')).toBe(before.buckets + 1);
      expect(heard(mallory, 'page')).toBe(before.page + BUCKETS);
    }
  });
});
