// Simulations of the real mesh core: identities, trust and configuration of its nodes, and the frame of a test that
// replays by its seed.

import type { MeshCrypto } from '../../src/core/crypto.js';
import type { Prefix } from '../../src/core/types.js';
import { deriveV4, deriveV6 } from '../../src/mesh/addresses.js';
import { createIdentity } from '../../src/mesh/identity.js';
import { Mesh, type Seed } from '../../src/mesh/mesh.js';
import { signRecord } from '../../src/mesh/record.js';
import { DEFAULT_SWIM_CONFIG, type SwimConfig } from '../../src/mesh/swim/config.js';
import { TrustStore, type Verdict } from '../../src/mesh/trust.js';
import type { TrustedKey } from '../../src/mesh/trusted-key.js';
import type { MemberRecord, NodeId } from '../../src/mesh/types.js';
import { simulationCrypto } from './crypto.js';
import { Invariants } from './invariants.js';
import type { LinkConditions } from './network.js';
import { SeededRandom } from './random.js';
import { endpointOf, Simulation } from './simulation.js';

/** Streams of randomness of identities, apart from those of simulation.ts. */
const FIRST_IDENTITY_STREAM = 1 << 20;
export const MESH_ID = new Uint8Array(16).fill(0x6d);
export const MESH_KEY = new Uint8Array(32).fill(0x6b);
export const V4_PREFIX = { address: Uint8Array.of(10, 86, 0, 0), length: 16 };
/** Certifies for every simulated mesh. */
export const AUTHORITY = createIdentity(simulationCrypto, new Uint8Array(32).fill(0x61));
/** Within these every node may offer routes. */
const ROUTES = { address: Uint8Array.of(172, 16, 0, 0), length: 12 };

export interface WorldOptions {
  readonly seed: number;
  /** Machines, which trust each other by key, and whom AUTHORITY certifies. */
  readonly nodes: number;
  /** The last so many of them nobody trusts by key. */
  readonly strangers?: number;
  readonly conditions?: Partial<LinkConditions>;
  readonly timings?: Partial<SwimConfig>;
  /** Every node is configured with the first so many as seeds. */
  readonly seedNodes?: number;
  readonly crypto?: MeshCrypto;
  /** All know all from the start, as after an earlier run: a large mesh need not form first. */
  readonly acquainted?: boolean;
  /** Length of the IPv4 prefix: the longer, the fewer addresses there are. */
  readonly v4Length?: number;
}

/**
 * All nodes trust the same, by key: neither time nor place decides, so a record that was judged is not judged again each
 * minute at each node.
 */
class SharedTrust extends TrustStore {
  #verdicts = new WeakMap<MemberRecord, Verdict>();

  override judge(record: MemberRecord, nowSeconds: number): Verdict {
    let verdict = this.#verdicts.get(record);
    if (verdict === undefined) {
      verdict = super.judge(record, nowSeconds);
      if (record.certificate.length === 0) this.#verdicts.set(record, verdict);
    }
    return verdict;
  }

  override addRevocation(bytes: Uint8Array): ReturnType<TrustStore['addRevocation']> {
    this.#verdicts = new WeakMap();
    return super.addRevocation(bytes);
  }
}

/** `nodes` machines, none of them started. */
export function createWorld(options: WorldOptions): Simulation {
  const { seed, nodes, strangers = 0, crypto = simulationCrypto, seedNodes = 2 } = options;
  const v4Prefix = { ...V4_PREFIX, length: options.v4Length ?? V4_PREFIX.length };
  const identities = Array.from({ length: nodes }, (_, i) =>
    createIdentity(crypto, new SeededRandom(seed, FIRST_IDENTITY_STREAM + i).bytes(32)),
  );
  const identityOf = (index: number) => {
    const identity = identities[index];
    if (identity === undefined) throw new RangeError(`There are ${nodes} machines`);
    return identity;
  };
  const members = identities.slice(0, nodes - strangers);
  const authority = { kind: 'authority', id: AUTHORITY.id, name: null } as const;
  const keys = [authority, ...members.map(({ id }) => trustedNode(id))];
  const addressing = { meshId: MESH_ID, v4Prefix };
  const trust = new SharedTrust(crypto, { keys, revocations: [], addressing });
  const seeds: Seed[] = Array.from({ length: seedNodes }, (_, i) => ({
    ...endpointOf(i),
    id: identityOf(i).id,
  }));
  const simulation = new Simulation({
    seed,
    identityOf,
    ...(options.conditions && { conditions: options.conditions }),
    boot: (node, saved) =>
      new Mesh({
        crypto,
        random: node.random,
        identity: node.identity,
        trust,
        wallTime: () => node.wallTime(),
        saved,
        config: {
          meshId: MESH_ID,
          meshKey: MESH_KEY,
          name: nameOf(node.index),
          seeds,
          v4Prefix,
          routes: [],
          capabilities: [],
          certificate: new Uint8Array(0),
          timings: { ...DEFAULT_SWIM_CONFIG, ...options.timings },
        },
      }),
  });
  simulation.addNodes(nodes);
  if (options.acquainted) acquaint(simulation, crypto, v4Prefix);
  return simulation;
}

/** Gives every node the first records of all others. */
function acquaint(
  { nodes, earlierRecords }: Simulation,
  crypto: MeshCrypto,
  v4Prefix: Prefix,
): void {
  const members = nodes.map(({ identity, index, endpoint }) => {
    const { id } = identity;
    const { record, payload, signature } = signRecord(identity, {
      id,
      incarnation: 1,
      name: nameOf(index),
      endpoints: [endpoint],
      addresses: [deriveV4(crypto, v4Prefix, id, 0), deriveV6(crypto, MESH_ID, id)],
      addressCounter: 0,
      routes: [],
      capabilities: [],
      certificate: new Uint8Array(0),
      left: false,
    });
    earlierRecords.push(record);
    return { payload, signature, state: 'alive' as const };
  });
  for (const node of nodes) {
    const others = members.filter((_, i) => i !== node.index);
    node.saved = { incarnation: 1, addressCounter: 0, members: others };
  }
}

function trustedNode(id: NodeId): TrustedKey {
  return { kind: 'node', id, name: null, groups: [], addresses: [], routes: [ROUTES] };
}

function nameOf(index: number): string {
  return `n${index}`;
}

/** "7", "1,5" or "1-200". */
function parseSeeds(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** What a test runs with, unless WEFT_SIM_SEED says otherwise. */
export function seedsOf(defaults: readonly number[]): readonly number[] {
  const given = process.env.WEFT_SIM_SEED;
  return given === undefined ? defaults : parseSeeds(given);
}

/**
 * Runs `story` in a world of its own, with the invariants watched, once for each seed.
 * @throws Error with the seed, the last things that happened, and the cause
 */
export function simulate(
  options: Omit<WorldOptions, 'seed'> & { seeds?: readonly number[] },
  story: (simulation: Simulation, invariants: Invariants) => void,
): void {
  for (const seed of seedsOf(options.seeds ?? [1])) {
    const simulation = createWorld({ ...options, seed });
    const invariants = new Invariants(simulation);
    try {
      story(simulation, invariants);
      invariants.auditAll();
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      const when = `${(simulation.nowMs / 1000).toFixed(3)} s`;
      const lines = [what, `seed ${seed} at ${when}; WEFT_SIM_SEED=${seed} replays it`];
      throw new Error([...lines, ...simulation.notes].join('\n  '), { cause: error });
    }
  }
}
