import { afterEach, describe, expect, it, vi } from 'vitest';
import { GossipNetwork, GossipNode, identity, meshCrypto } from '../../../test/support/gossip.js';
import { seededRandom } from '../../../test/support/wg.js';
import type { Token } from '../../wire/gossip.js';
import { LocalTokens } from './tokens.js';

function tokensOf(seed: number, random = seededRandom(seed)): LocalTokens {
  return new LocalTokens(meshCrypto, random, identity(seed).key.agreementSecret);
}

describe('LocalTokens', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('knows its own after a restart, and those of nobody else', () => {
    const token = tokensOf(1).draw();
    expect(tokensOf(1, seededRandom(99)).isOurs(token)).toBe(true);
    expect(tokensOf(2).isOurs(token)).toBe(false);
    expect(tokensOf(1).isOurs({ ...token, index: token.index ^ 1 })).toBe(false);
    expect(tokensOf(1).isOurs({ ...token, check: token.check ^ 1 })).toBe(false);
  });

  it('draws an index again only when it was released', () => {
    const words = [5, 5, 6, 5];
    const random = { bytes: () => Uint8Array.of(words.shift() ?? 0, 0, 0, 0) };
    const tokens = tokensOf(1, random);
    const first = tokens.draw();
    expect(first.index).toBe(5);
    expect(tokens.draw().index).toBe(6);
    tokens.release(first);
    expect(tokens.draw()).toEqual(first);
  });

  it('has all back when every node is forgotten, however its sessions ended', () => {
    const out = new Map<LocalTokens, Set<number>>();
    const draw = LocalTokens.prototype.draw;
    const release = LocalTokens.prototype.release;
    vi.spyOn(LocalTokens.prototype, 'draw').mockImplementation(function (this: LocalTokens) {
      const token = draw.call(this);
      out.set(this, (out.get(this) ?? new Set()).add(token.index));
      return token;
    });
    vi.spyOn(LocalTokens.prototype, 'release').mockImplementation(function (
      this: LocalTokens,
      token: Token,
    ) {
      out.get(this)?.delete(token.index);
      release.call(this, token);
    });
    const [a, b, c] = [new GossipNode(1), new GossipNode(2), new GossipNode(3)];
    const net = GossipNetwork.of(a, b, c);
    const random = seededRandom(4);
    net.filter = (packet) => ((random.bytes(1)[0] ?? 0) < 80 ? [] : [packet, packet]);
    for (let i = 0; i < 200; i++) {
      for (const node of [a, b, c]) for (const other of [a, b, c]) net.send(node, other, 'x');
      if (i % 10 === 0) b.channel.forget(a.id);
      if (i % 25 === 0) c.restart();
      net.advance(700);
    }
    const living = [a, b, c];
    for (const node of living) for (const other of living) node.channel.forget(other.id);
    net.advance(60_000);
    const alive = [...out.values()].slice(0, 2).concat([...out.values()].slice(-1));
    expect(out.size).toBe(3 + 8);
    expect(alive.map((indexes) => indexes.size)).toEqual([0, 0, 0]);
  });
});
