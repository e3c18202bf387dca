import { describe, expect, it } from 'vitest';
import { identity, MESH_KEY, meshCrypto } from '../../../test/support/gossip.js';
import { must, seededRandom } from '../../../test/support/wg.js';
import { nodeIdOf } from '../identity.js';
import { MAX_MEMBERS, type NodeId } from '../types.js';
import { Associations } from './associations.js';
import { type ChannelEnvironment, createCounters } from './environment.js';
import { MAX_STRANGERS } from './limits.js';
import { LocalTokens } from './tokens.js';

function idOf(n: number): NodeId {
  return nodeIdOf(Uint8Array.of(n >> 8, n, ...new Uint8Array(30)));
}

/** Nodes that are numbers, and keys that cost nothing. */
function table() {
  const strangers = new Set<NodeId>();
  const removed: NodeId[] = [];
  const { id, key } = identity(1);
  const agreementKey = { publicKey: key.publicKey, diffieHellman: () => new Uint8Array(32) };
  const { publicKey, agreementSecret } = key;
  const sign = () => new Uint8Array(64);
  const environment: ChannelEnvironment = {
    crypto: { ...meshCrypto, agreementPublicKey: () => new Uint8Array(32) },
    random: seededRandom(1),
    identity: { id, key: { publicKey, agreementSecret, agreementKey, sign } },
    meshKey: MESH_KEY,
    isMember: (node) => !strangers.has(node),
  };
  const tokens = new LocalTokens(meshCrypto, environment.random, agreementSecret);
  const associations = new Associations(environment, tokens, createCounters(), (association) => {
    removed.push(association.id);
  });
  const add = (n: number) => associations.add(must(associations.derive(idOf(n))));
  return { associations, strangers, removed, add };
}

describe('Associations', () => {
  it('has room for all members; who is none any more goes first, then the oldest', () => {
    const { associations, strangers, removed, add } = table();
    for (let n = 0; n < MAX_MEMBERS; n++) add(n);
    expect(removed).toEqual([]);
    strangers.add(idOf(7));
    add(MAX_MEMBERS);
    add(MAX_MEMBERS + 1);
    expect(removed).toEqual([idOf(7), idOf(0)]);
    expect([...associations.all()]).toHaveLength(MAX_MEMBERS);
  });

  it('keeps the strangers that spoke last, and takes no room from members for them', () => {
    const { associations, strangers, removed, add } = table();
    add(1);
    for (let n = 100; n < 100 + MAX_STRANGERS; n++) {
      strangers.add(idOf(n));
      add(n);
    }
    associations.touch(must(associations.get(idOf(100))));
    // has become a member without having spoken since
    strangers.delete(idOf(101));
    for (const n of [1_000, 1_001]) {
      strangers.add(idOf(n));
      add(n);
    }
    expect(removed).toEqual([idOf(102)]);
    for (const n of [1, 100, 101]) expect(associations.get(idOf(n))?.id).toBe(idOf(n));
    expect([...associations.all()]).toHaveLength(MAX_STRANGERS + 2);
  });
});
