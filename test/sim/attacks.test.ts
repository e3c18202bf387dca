// What a member that has turned, and a stranger, can do to a mesh: nothing but be heard. Each lies in the real protocol to
// real nodes; the invariants watch.

import { describe, expect, test, vi } from 'vitest';
import { sameEndpoint } from '../../src/core/network.js';
import type { Datagram } from '../../src/core/types.js';
import { signCertificate } from '../../src/mesh/certificate.js';
import { createIdentity } from '../../src/mesh/identity.js';
import { InviteBook } from '../../src/mesh/invite.js';
import type { Message } from '../../src/mesh/messages.js';
import { signAccusation, signRecord } from '../../src/mesh/record.js';
import { signRevocation } from '../../src/mesh/revocation.js';
import type { MemberRecord, NodeId } from '../../src/mesh/types.js';
import {
  ACCEPT_LENGTH,
  ACCEPT_TYPE,
  COOKIE_REPLY_LENGTH,
  COOKIE_TYPE,
  DATA_HEADER_LENGTH,
  DATA_TYPE,
  HELLO_LENGTH,
  HELLO_TYPE,
  UNKNOWN_LENGTH,
  UNKNOWN_TYPE,
} from '../../src/wire/gossip.js';
import { encodeMsgpack } from '../../src/wire/msgpack.js';
import { Adversary, type Peer } from './adversary.js';
import { disagreements } from './agreement.js';
import { simulationCrypto } from './crypto.js';
import { JoiningMachine } from './joining-machine.js';
import { AUTHORITY, MESH_ID, MESH_KEY, simulate } from './mesh-world.js';
import { DeathWatch, FalseAlarms } from './metrics.js';
import { DATAGRAM_OVERHEAD_BYTES } from './network.js';
import type { SimulatedNode } from './node.js';
import type { SeededRandom } from './random.js';
import { endpointOf, type Simulation } from './simulation.js';

// only to end a run that hangs
vi.setConfig({ testTimeout: 300_000 });

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HONEST = 6;

interface Scene {
  readonly simulation: Simulation;
  readonly honest: readonly SimulatedNode[];
  readonly victim: SimulatedNode;
  /** A trusted machine, admitted by all. */
  readonly mallory: Adversary;
}

/** A mesh with a member that lies. */
function scene(story: (scene: Scene) => void, Mallory = Adversary): void {
  simulate({ nodes: HONEST + 1 }, (simulation, invariants) => {
    const honest = simulation.nodes.slice(0, HONEST);
    for (const node of honest) node.start();
    simulation.run(10 * SECOND_MS);
    invariants.liars.add((simulation.nodes[HONEST] as SimulatedNode).id);
    const mallory = new Mallory(simulation, simulation.nodes[HONEST] as SimulatedNode);
    for (const node of honest) mallory.introduce(node);
    simulation.run(SECOND_MS);
    for (const node of honest) expect(node.mesh?.member(mallory.identity.id)).toBeDefined();
    story({ simulation, honest, victim: honest[1] as SimulatedNode, mallory });
  });
}

/** All honest nodes hold each other alive, by the records that they made. */
function expectUntouched({ simulation, honest }: Scene): void {
  const wrong = disagreements(simulation).filter((text) => !text.includes(`node ${HONEST}`));
  expect(wrong).toEqual([]);
  for (const node of honest) expect(node.mesh?.self().left).toBe(false);
}

function recordOf(node: SimulatedNode): MemberRecord {
  const record = node.mesh?.self();
  if (record === undefined) throw new Error('not running');
  return record;
}

describe('a member cannot', () => {
  test('accuse in the name of others', () => {
    scene((s) => {
      const alarms = new FalseAlarms(s.simulation);
      const { incarnation } = recordOf(s.victim);
      for (const node of s.honest) {
        for (const accuser of s.honest) {
          const forged = signAccusation(s.mallory.identity, s.victim.id, incarnation);
          s.mallory.say(node, { type: 'accusation', ...forged, accuser: accuser.id });
        }
      }
      s.simulation.run(MINUTE_MS);
      expect(alarms.suspicions).toBe(0);
      expectUntouched(s);
    });
  });

  test('bring down anybody by accusing it again and again', () => {
    scene((s) => {
      const alarms = new FalseAlarms(s.simulation);
      for (let round = 0; round < 300; round++) {
        const { incarnation } = recordOf(s.victim);
        const accusation = signAccusation(s.mallory.identity, s.victim.id, incarnation);
        for (const node of s.honest) {
          if (node !== s.victim) s.mallory.say(node, { type: 'accusation', ...accusation });
        }
        s.simulation.run(200);
      }
      expect(alarms.deaths).toBe(0);
      s.simulation.run(MINUTE_MS);
      expectUntouched(s);
    });
  });

  test('make another doubt its own health, and watch the rest less', () => {
    scene((s) => {
      for (let round = 0; round < 200; round++) {
        const { incarnation } = recordOf(s.victim);
        const accusation = signAccusation(s.mallory.identity, s.victim.id, incarnation);
        s.mallory.say(s.victim, { type: 'accusation', ...accusation });
        s.simulation.run(300);
      }
      const refuted = s.victim.mesh?.counters().refuted;
      expect(refuted).toBeGreaterThan(8);
      expect(refuted).toBeLessThan(30);
      expect(s.victim.mesh?.health().awareness).toBeLessThanOrEqual(1);
      s.simulation.run(MINUTE_MS);
      expectUntouched(s);
    });
  });

  test('use up the incarnations of another', () => {
    scene((s) => {
      const accusation = signAccusation(s.mallory.identity, s.victim.id, 0xffff_fffe);
      for (const node of s.honest) s.mallory.say(node, { type: 'accusation', ...accusation });
      s.simulation.run(MINUTE_MS);
      expect(recordOf(s.victim).incarnation).toBeLessThan(1_000);
      expectUntouched(s);
    });
  });

  test.each([
    ['change another record', { name: 'owned' }],
    ['let another leave', { left: true }],
    ['move another', { endpoints: [] }],
  ])('%s', (_name, changes) => {
    scene((s) => {
      const record = recordOf(s.victim);
      const forged = { ...record, ...changes, incarnation: record.incarnation + 1 };
      const { payload, signature } = signRecord({ ...s.mallory.identity, id: record.id }, forged);
      for (const node of s.honest) {
        s.mallory.say(node, { type: 'record', payload, signature });
        s.mallory.say(node, { type: 'hello', payload, signature, answer: false });
      }
      s.simulation.run(MINUTE_MS);
      expectUntouched(s);
    });
  });

  test('bring back an old record of another', () => {
    scene((s) => {
      const old = [...s.mallory.heard];
      const route = { address: Uint8Array.of(172, 16, 1, 0), length: 24 };
      s.victim.perform((mesh, nowMs) => mesh.setRoutes(nowMs, [route]));
      s.simulation.run(20 * SECOND_MS);
      const records = old.filter(({ message }) => ['record', 'hello'].includes(message.type));
      expect(records.length).toBeGreaterThan(0);
      for (const node of s.honest) for (const { message } of records) s.mallory.say(node, message);
      s.simulation.run(MINUTE_MS);
      expect(recordOf(s.victim).routes).toEqual([route]);
      expectUntouched(s);
    });
  });

  test('take the address of another', () => {
    scene((s) => {
      const { addresses } = recordOf(s.victim);
      for (const node of s.honest) s.mallory.introduce(node, { incarnation: 9, addresses });
      s.simulation.run(MINUTE_MS);
      for (const node of s.honest) {
        const held = node.mesh?.member(s.mallory.identity.id)?.record.addresses ?? [];
        for (const address of addresses) expect(held).not.toContainEqual(address);
      }
      expectUntouched(s);
    });
  });

  test('keep the dead alive by answering for them', () => {
    class Answering extends Adversary {
      override answer(peer: Peer, message: Message): void {
        super.answer(peer, message);
        if (message.type !== 'indirect-ping') return;
        const { sequence } = message;
        const proof = this.identity.key.sign(message.nonce);
        this.say(peer, { type: 'relayed-ack', sequence, proof });
        this.say(peer, { type: 'ack', sequence, observed: peer.endpoint, proof });
      }
    }
    scene((s) => {
      const watch = new DeathWatch(s.simulation, s.victim);
      s.victim.crash();
      s.simulation.run(2 * MINUTE_MS);
      expect(watch.deadMs.size).toBe(HONEST - 1);
      const forged = s.honest.map(({ mesh }) => mesh?.counters()['relayed-ack-forged'] ?? 0);
      expect(Math.max(...forged)).toBeGreaterThan(0);
    }, Answering);
  });

  test('revoke anybody without being an authority', () => {
    scene((s) => {
      for (const node of s.honest) {
        for (const bytes of [new Uint8Array(0), new Uint8Array(200), encodeMsgpack(new Map())]) {
          s.mallory.say(node, { type: 'revocation', bytes });
        }
      }
      s.simulation.run(MINUTE_MS);
      expectUntouched(s);
    });
  });

  test("revoke anybody by an authority's signature that nobody trusts", () => {
    scene((s) => {
      const foreign = createIdentity(simulationCrypto, new Uint8Array(32).fill(0x66));
      const subject = { kind: 'node', node: s.victim.id } as const;
      const said = { subject, reason: 'mine now', issuedAt: 1_700_000_000 };
      const signed = signRevocation(foreign, said);
      // ... nor by the name of one that is trusted
      const forged = signRevocation({ ...foreign, id: AUTHORITY.id }, said);
      for (const node of s.honest) {
        for (const bytes of [signed, forged]) s.mallory.say(node, { type: 'revocation', bytes });
      }
      const datagramsBefore = s.mallory.heard.length;
      s.simulation.run(MINUTE_MS);
      const heard = s.mallory.heard.slice(datagramsBefore);
      expect(heard.filter(({ message }) => message.type === 'revocation')).toEqual([]);
      expectUntouched(s);
    });
  });

  test('upset the decoder', () => {
    scene((s) => {
      const deep = new Uint8Array(1_100).fill(0x91);
      const wide = Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2, 3);
      const hugeString = Uint8Array.of(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61);
      const prototype = encodeMsgpack([1, new Map([['__proto__', new Map([['left', true]])]])]);
      const trailing = Uint8Array.of(0x90, 0x90);
      for (const node of s.honest) {
        for (const bytes of [deep, wide, hugeString, prototype, trailing, Uint8Array.of(0xc1)]) {
          s.mallory.sayBytes(node, bytes);
        }
      }
      s.simulation.run(20 * SECOND_MS);
      expect(({} as { left?: boolean }).left).toBeUndefined();
      expectUntouched(s);
    });
  });

  test('fill the table with members that nobody trusts', () => {
    scene((s) => {
      for (let i = 0; i < 200; i++) {
        const payload = s.simulation.random.bytes(180);
        const signature = s.simulation.random.bytes(64);
        for (const node of s.honest) s.mallory.say(node, { type: 'record', payload, signature });
      }
      s.simulation.run(20 * SECOND_MS);
      for (const node of s.honest) {
        expect([...(node.mesh?.members() ?? [])]).toHaveLength(HONEST);
      }
      expectUntouched(s);
    });
  });
});

describe('a member that names the addresses of another in its record', () => {
  const NODES = 20;
  const BYSTANDER = endpointOf(900);
  /** Other ports of it: one would be tried after the other. */
  const named = Array.from({ length: 8 }, (_, i) => ({ ...BYSTANDER, port: BYSTANDER.port + i }));

  /** @returns bytes to the bystander in the first five minutes, in the next ten, the longest datagram, and what it cost */
  function attack(introductions: number) {
    const bytes = { first: 0, next: 0, longest: 0, said: 0 };
    simulate({ nodes: NODES + 1 }, (simulation, invariants) => {
      const honest = simulation.nodes.slice(0, NODES);
      for (const node of honest) node.start();
      simulation.run(10 * SECOND_MS);
      const machine = simulation.nodes[NODES] as SimulatedNode;
      invariants.liars.add(machine.id);
      const mallory = new Adversary(simulation, machine);
      let toBystander = 0;
      simulation.network.onSend = (_from, to, { length }) => {
        if (!named.some((endpoint) => sameEndpoint(endpoint, to))) return;
        toBystander += length + DATAGRAM_OVERHEAD_BYTES;
        bytes.longest = Math.max(bytes.longest, length);
      };
      for (const node of honest.slice(0, introductions)) {
        mallory.introduce(node, { endpoints: named });
      }
      simulation.run(2 * SECOND_MS);
      for (const node of honest) expect(node.mesh?.member(machine.id)).toBeDefined();
      // it falls silent
      simulation.network.detach(mallory.endpoint);
      bytes.said = simulation.network.sentBy(mallory).bytes;
      simulation.run(5 * MINUTE_MS);
      for (const node of honest) expect(node.mesh?.member(machine.id)?.state).toBe('dead');
      bytes.first = toBystander;
      simulation.run(10 * MINUTE_MS);
      bytes.next = toBystander - bytes.first;
    });
    return bytes;
  }

  test('has little sent there, and ever less', () => {
    const { first, next, longest, said } = attack(NODES);
    expect(longest).toBe(HELLO_LENGTH);
    expect(first).toBeLessThan(4 * said);
    // two hellos in five minutes from each
    expect(next).toBeLessThanOrEqual(3 * 2 * NODES * (HELLO_LENGTH + DATAGRAM_OVERHEAD_BYTES));
  });

  test('has no more sent there by having others tell of it', () => {
    expect(attack(1).first).toBeLessThan(1.5 * attack(NODES).first);
  });
});

describe('with a certificate a machine', () => {
  const CLOCK = 1_700_000_000;
  const certificateOf = (id: NodeId, notAfter: number) =>
    signCertificate(AUTHORITY, {
      subject: id,
      name: 'mallory',
      groups: [],
      addresses: [],
      routes: [],
      notBefore: CLOCK,
      notAfter,
      serial: new Uint8Array(16),
      issuer: AUTHORITY.id,
    });

  test('is a member until it ends, and not a second longer, whatever it says', () => {
    simulate({ nodes: HONEST + 1, strangers: 1 }, (simulation, invariants) => {
      const honest = simulation.nodes.slice(0, HONEST);
      for (const node of honest) node.start();
      simulation.run(10 * SECOND_MS);
      const machine = simulation.nodes[HONEST] as SimulatedNode;
      invariants.liars.add(machine.id);
      const mallory = new Adversary(simulation, machine);
      const certificate = certificateOf(machine.id, CLOCK + 60);
      const known = () => honest.filter((node) => node.mesh?.member(machine.id) !== undefined);
      for (const node of honest) mallory.introduce(node);
      simulation.run(5 * SECOND_MS);
      expect(known()).toEqual([]);
      for (const node of honest) mallory.introduce(node, { certificate, incarnation: 2 });
      simulation.run(5 * SECOND_MS);
      expect(known()).toHaveLength(HONEST);
      simulation.run(41 * SECOND_MS);
      const victim = honest[1] as SimulatedNode;
      const { incarnation } = recordOf(victim);
      for (let again = 3; again < 40; again++) {
        for (const node of honest) {
          mallory.introduce(node, { certificate, incarnation: again });
          const accusation = signAccusation(mallory.identity, victim.id, incarnation);
          mallory.say(node, { type: 'accusation', ...accusation });
        }
        simulation.run(SECOND_MS);
      }
      expect(known()).toEqual([]);
      expect(recordOf(victim).incarnation).toBe(incarnation);
    });
  });

  test('of another is nobody', () => {
    simulate({ nodes: HONEST + 1, strangers: 1 }, (simulation) => {
      const honest = simulation.nodes.slice(0, HONEST);
      for (const node of honest) node.start();
      simulation.run(10 * SECOND_MS);
      const machine = simulation.nodes[HONEST] as SimulatedNode;
      const mallory = new Adversary(simulation, machine);
      const certificate = certificateOf((honest[1] as SimulatedNode).id, CLOCK + 3_600);
      for (const node of honest) mallory.introduce(node, { certificate });
      simulation.run(MINUTE_MS);
      for (const node of honest) expect(node.mesh?.member(machine.id)).toBeUndefined();
      expect(disagreements(simulation)).toEqual([]);
    });
  });
});

describe('an invite for one', () => {
  const TERMS = { lifetimeSeconds: 3_600, certificateLifetimeSeconds: 86_400 };

  test('admits one, whoever has stolen it, though the issuer dies in between', () => {
    const thieves = 4;
    const options = { nodes: HONEST + thieves, strangers: thieves, seeds: [1, 2, 3] };
    simulate(options, (simulation) => {
      const honest = simulation.nodes.slice(0, HONEST);
      const issuer = honest[0] as SimulatedNode;
      for (const node of honest) node.start();
      simulation.run(10 * SECOND_MS);
      openInvites(simulation, issuer);
      const token = issuer.perform((mesh, nowMs) => mesh.issueInvite(nowMs, TERMS));
      simulation.setConditions({ lossRate: 0.3, duplicateRate: 0.3, lateRate: 0.2, lateMs: 900 });
      const joining = simulation.nodes
        .slice(HONEST)
        .map((node) => new JoiningMachine(simulation, node, token));
      for (let crash = 0; crash < 3; crash++) {
        simulation.run(simulation.random.between(0, 2 * SECOND_MS));
        issuer.restart();
        openInvites(simulation, issuer);
      }
      simulation.run(MINUTE_MS);
      const outcomes = joining.map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome === 'joined')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'used-up')).toHaveLength(thieves - 1);
    });
  });
});

/** The issuer's book, as the disk has it. */
function openInvites(simulation: Simulation, issuer: SimulatedNode): void {
  const book = new InviteBook(
    {
      crypto: simulationCrypto,
      random: simulation.random,
      meshId: MESH_ID,
      meshKey: MESH_KEY,
      node: issuer.id,
      signer: AUTHORITY,
      signerCertificate: null,
      nameOwner: () => null,
      isRevoked: () => false,
    },
    issuer.savedInvites,
  );
  issuer.perform((mesh) => mesh.setInvites(book));
}

function noise(random: SeededRandom): Uint8Array {
  const bytes = random.bytes(32 + random.below(200));
  bytes[0] = 0x80 | random.below(128);
  return bytes;
}

/** What decodes as a header: the type, the length that belongs to it, and anything else. */
function wellFormed(random: SeededRandom): Uint8Array {
  const [type, length] = random.pick([
    [HELLO_TYPE, HELLO_LENGTH],
    [COOKIE_TYPE, COOKIE_REPLY_LENGTH],
    [ACCEPT_TYPE, ACCEPT_LENGTH],
    [DATA_TYPE, DATA_HEADER_LENGTH + 64],
    [UNKNOWN_TYPE, UNKNOWN_LENGTH],
  ] as const);
  const bytes = random.bytes(length);
  bytes.set([type, 0, 0, 0]);
  return bytes;
}

describe('on the wire', () => {
  test('what was recorded does nothing when it is sent again', () => {
    simulate({ nodes: HONEST + 1 }, (simulation) => {
      const honest = simulation.nodes.slice(0, HONEST);
      const [victim] = honest as [SimulatedNode];
      const recorded: { to: SimulatedNode; datagram: Datagram }[] = [];
      for (const node of honest) {
        const deliver = node.deliver.bind(node);
        node.deliver = (datagram) => {
          if (recorded.length < 5_000) recorded.push({ to: node, datagram });
          deliver(datagram);
        };
      }
      for (const node of honest) node.start();
      simulation.run(30 * SECOND_MS);
      const alarms = new FalseAlarms(simulation);
      const before = victim.mesh?.counters();
      const mallory = simulation.nodes[HONEST] as SimulatedNode;
      for (const { to, datagram } of recorded) {
        // from another address: where it comes from must not be believed either
        simulation.network.send(mallory, to.endpoint, datagram.bytes);
        simulation.run(1);
      }
      expect(victim.mesh?.counters()).not.toEqual(before);
      for (const node of honest) {
        for (const member of node.mesh?.members() ?? []) {
          expect(member.observedEndpoint).not.toEqual(mallory.endpoint);
        }
      }
      simulation.run(MINUTE_MS);
      expect(alarms.suspicions).toBe(0);
      expect(disagreements(simulation)).toEqual([]);
    });
  });

  test.each([
    ['noise', noise],
    ['headers that decode', wellFormed],
  ])('a flood of strangers with %s grows nothing and brings nobody down', (_name, datagram) => {
    simulate({ nodes: HONEST + 1 }, (simulation) => {
      const honest = simulation.nodes.slice(0, HONEST);
      const [victim] = honest as [SimulatedNode];
      for (const node of honest) node.start();
      simulation.run(10 * SECOND_MS);
      const alarms = new FalseAlarms(simulation);
      const { random } = simulation;
      let sent = 0;
      let answeredBytes = 0;
      simulation.network.onSend = (from, to, bytes) => {
        if (from === victim && simulation.network.hostAt(to) === undefined) {
          answeredBytes += bytes.length;
        }
      };
      for (let ms = 0; ms < 2_000; ms++) {
        for (let i = 0; i < 100; i++) {
          const bytes = datagram(random);
          const address = Uint8Array.of(198, 18, random.below(256), random.below(256));
          const remote = { address, port: 1 + random.below(65_535), scopeId: 0 };
          victim.deliver({ path: { remote, local: null, interfaceIndex: 0 }, bytes });
          sent += bytes.length;
        }
        simulation.run(1);
      }
      expect(answeredBytes).toBeLessThanOrEqual(sent);
      simulation.run(MINUTE_MS);
      expect(alarms.deaths).toBe(0);
      expect([...(victim.mesh?.members() ?? [])]).toHaveLength(HONEST - 1);
      expect(disagreements(simulation)).toEqual([]);
    });
  });
});
