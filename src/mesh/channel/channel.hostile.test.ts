import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  counting,
  endpoint,
  GossipNetwork,
  GossipNode,
  helloOf,
  identity,
  meshCrypto,
  type Packet,
} from '../../../test/support/gossip.js';
import { must, seededRandom } from '../../../test/support/wg.js';
import type { MeshCrypto } from '../../core/crypto.js';
import {
  ACCEPT_TYPE,
  COOKIE_TYPE,
  DATA_TYPE,
  HELLO_LENGTH,
  HELLO_TYPE,
  helloFields,
  UNKNOWN_TYPE,
} from '../../wire/gossip.js';
import { nodeIdOf, publicKeyOf } from '../identity.js';
import { MAX_COOKIES, PENDING_MS, RESEND_WITHIN_MS, SESSION_LIFETIME_MS } from './limits.js';

const TYPES = [HELLO_TYPE, COOKIE_TYPE, ACCEPT_TYPE, DATA_TYPE, UNKNOWN_TYPE];
const NOWHERE = endpoint(0x7777);

const isType =
  (type: number) =>
  ({ bytes }: Packet): boolean =>
    bytes[0] === type;

function pair(b = new GossipNode(2)) {
  const a = new GossipNode(1);
  return { a, b, net: GossipNetwork.of(a, b) };
}

/** Two nodes that have spoken, and all the packets of it. */
function spoken() {
  const rig = pair();
  rig.net.send(rig.a, rig.b, 'ping');
  rig.net.settle();
  rig.net.send(rig.b, rig.a, 'pong');
  rig.net.settle();
  return { ...rig, recorded: rig.net.takeSent() };
}

/** What `node` sends because of one packet. */
function answers(net: GossipNetwork, node: GossipNode, packet: Packet): Uint8Array[] {
  node.channel.takeDatagrams();
  net.inject(packet);
  return node.channel.takeDatagrams().map(({ bytes }) => bytes);
}

describe('Replay', () => {
  it('of everything, in any order, from anywhere, delivers nothing again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.boolean(), fc.boolean()), { maxLength: 60 }),
        fc.constantFrom('none', 'a', 'b', 'both'),
        (choices, restarted) => {
          const { a, b, net, recorded } = spoken();
          net.advance(RESEND_WITHIN_MS);
          if (restarted === 'a' || restarted === 'both') a.restart();
          if (restarted === 'b' || restarted === 'both') b.restart();
          for (const [choice, moved, turned] of choices) {
            const packet = recorded[choice % recorded.length] as Packet;
            const to = turned ? packet.from : packet.to;
            net.inject({ ...packet, to, from: moved ? NOWHERE : packet.from });
            net.settle();
          }
          net.advance(60_000);
          expect([a.texts, b.texts]).toEqual([['pong'], ['ping']]);
          net.send(a, b, 'still');
          net.send(b, a, 'here');
          net.advance(5_000);
          expect([a.texts, b.texts]).toEqual([
            ['pong', 'here'],
            ['ping', 'still'],
          ]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('to a node that has restarted makes its peer repeat the last message at most, and only at once', () => {
    const { a, b, net, recorded } = spoken();
    const data = recorded.filter(isType(DATA_TYPE));
    a.restart();
    for (let i = 0; i < 3; i++) for (const packet of data) net.inject(packet);
    net.advance(10_000);
    expect(a.texts).toEqual(['pong', 'pong']);
    a.restart();
    net.send(b, a, 'old');
    net.advance(10_000);
    const texts = a.texts.length;
    a.restart();
    for (const packet of net.takeSent().filter(isType(DATA_TYPE))) net.inject(packet);
    net.advance(10_000);
    expect(a.texts).toHaveLength(texts);
    expect(b.texts).toEqual(['ping']);
  });

  it('of a hello whose accept is under way gives the same accept, and does not disturb it', () => {
    const { a, b, net } = pair();
    net.filter = (packet) => (packet.bytes[0] === ACCEPT_TYPE ? [] : [packet]);
    net.send(a, b, 'ping');
    net.settle();
    const accept = must(net.sent.find(isType(ACCEPT_TYPE)));
    const hello = must(net.sent.findLast(isType(HELLO_TYPE)));
    expect(answers(net, b, hello)).toEqual([accept.bytes]);
    net.inject(accept);
    net.settle();
    expect(b.texts).toEqual(['ping']);
  });

  it('of a hello whose session is gone gives a session that nobody can use', () => {
    const { a, b, net, recorded } = spoken();
    const hello = recorded.filter(isType(HELLO_TYPE))[1] as Packet;
    net.inject(hello);
    expect(b.counter('repeated-hello')).toBe(1);
    for (let i = 0; i < 2; i++) {
      a.channel.forget(b.id);
      net.send(a, b, `${i}`);
      net.settle();
    }
    expect(answers(net, b, hello).map((bytes) => bytes[0])).toEqual([ACCEPT_TYPE]);
    for (const packet of recorded) net.inject(packet);
    net.settle();
    expect(b.texts).toEqual(['ping', '0', '1']);
    net.takeSent();
    net.send(b, a, 'unmoved');
    net.settle();
    expect(net.takeSent().every(isType(DATA_TYPE))).toBe(true);
    expect(a.texts).toEqual(['pong', 'unmoved']);
    net.advance(PENDING_MS);
    expect(b.channel.nextTickMs()).toBe(Infinity);
  });

  it('of data that was withheld until its session was over is refused', () => {
    const { a, b, net } = spoken();
    net.filter = () => [];
    net.send(a, b, 'withheld');
    net.settle();
    const [withheld] = net.takeSent();
    net.advance(SESSION_LIFETIME_MS);
    net.inject(withheld as Packet);
    expect(b.counter('session-over')).toBe(1);
    expect(b.texts).toEqual(['ping']);
  });

  it('of an accept, or of another hello’s, opens nothing', () => {
    const { a, b, net, recorded } = spoken();
    const accept = recorded.find(isType(ACCEPT_TYPE)) as Packet;
    a.channel.forget(b.id);
    net.filter = () => [];
    net.send(a, b, 'x');
    net.settle();
    // as if the attacker had brought the token about
    const hello = net.takeSent()[0] as Packet;
    const moved = accept.bytes.slice();
    moved.set(hello.bytes.subarray(4, 12), 4);
    for (const bytes of [accept.bytes, moved]) net.inject({ ...accept, bytes });
    expect(a.counter('unexpected-accept')).toBe(2);
    expect(a.counter('sessions-opened')).toBe(1);
  });
});

describe('Forgery', () => {
  it('of any bit of any packet delivers nothing false, and the nodes find each other again', () => {
    fc.assert(
      fc.property(fc.nat(7), fc.nat(), (index, bit) => {
        const { a, b, net } = pair();
        let sent = 0;
        net.filter = (packet) => {
          if (sent++ !== index) return [packet];
          const bytes = packet.bytes.slice();
          const at = (bit >> 3) % bytes.length;
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
          return [{ ...packet, bytes }];
        };
        net.send(a, b, 'ping');
        net.advance(5_000);
        net.send(b, a, 'pong');
        net.advance(5_000);
        net.send(a, b, 'more');
        net.advance(5_000);
        expect(['ping', 'more'].filter((text) => !b.texts.includes(text)).length).toBeLessThan(2);
        expect(b.texts.filter((text) => !['ping', 'more'].includes(text))).toEqual([]);
        expect(a.texts.filter((text) => text !== 'pong')).toEqual([]);
        expect(a.texts.length + b.texts.length).toBeGreaterThanOrEqual(2);
      }),
      { numRuns: 300 },
    );
  });

  it('of a member’s name proves nothing, costs one Diffie-Hellman, and leaves the member alone', () => {
    const { calls, crypto } = counting();
    const { a, b, net } = pair(new GossipNode(2, { crypto }));
    const thief = new GossipNode(9, { identity: { id: a.id, key: identity(9).key } });
    net.nodes.push(thief);
    for (let i = 0; i < 5; i++) {
      thief.restart();
      net.send(thief, b, 'I am a');
      net.advance(5_000);
    }
    expect(b.counter('bad-proof')).toBeGreaterThanOrEqual(5);
    expect(calls.agreements).toBe(1);
    net.send(a, b, 'I am');
    net.advance(5_000);
    expect(b.texts).toEqual(['I am']);
  });

  it('with another mesh key, or meant for another node, is not answered', () => {
    const { a, b, net } = pair();
    const other = new GossipNode(3, { meshKey: new Uint8Array(32) });
    const misled = helloOf(a, other, net);
    for (const bytes of [helloOf(other, b, net), misled]) {
      expect(answers(net, b, { from: NOWHERE, to: b.endpoint, bytes })).toEqual([]);
    }
    expect(b.counter('bad-hello')).toBe(2);
  });

  it('of identities that are none, or our own, is refused', () => {
    const { b, net } = pair();
    const ids = [
      nodeIdOf(new Uint8Array(32)),
      nodeIdOf(Uint8Array.of(1, ...new Uint8Array(31))),
      nodeIdOf(new Uint8Array(32).fill(0xff)),
      b.id,
    ];
    for (const [i, id] of ids.entries()) {
      const crypto: MeshCrypto = {
        ...meshCrypto,
        xseal: (key, nonce, plaintext, aad) =>
          meshCrypto.xseal(key, nonce, plaintext.length === 32 ? publicKeyOf(id) : plaintext, aad),
      };
      const nobody = new GossipNode(20 + i, { crypto });
      net.nodes.push(nobody);
      net.send(nobody, b, 'x');
      net.settle();
      expect(b.counter('bad-identity')).toBe(2 * i + 1);
      b.channel.send(net.nowMs, id, NOWHERE, Uint8Array.of(1));
      expect(b.counter('bad-identity')).toBe(2 * i + 2);
    }
  });

  it('of our own packets, sent back to us, is refused', () => {
    const { a, b, net, recorded } = spoken();
    for (const packet of recorded) net.inject({ ...packet, to: packet.from, from: packet.to });
    net.settle();
    expect([a.texts, b.texts]).toEqual([['pong'], ['ping']]);
  });

  it('of cookies does not turn a hello elsewhere, nor make endless ones', () => {
    const { a, b, net } = pair();
    const hello = { from: a.endpoint, to: b.endpoint, bytes: helloOf(a, b, net) };
    const [cookie = new Uint8Array(0)] = answers(net, b, hello);
    const from = b.endpoint;
    expect(answers(net, a, { from: NOWHERE, to: a.endpoint, bytes: cookie })).toEqual([]);
    const forged = cookie.slice();
    forged[12] = (forged[12] ?? 0) ^ 1;
    expect(answers(net, a, { from, to: a.endpoint, bytes: forged })).toEqual([]);
    expect(answers(net, a, { from, to: a.endpoint, bytes: cookie })).toHaveLength(1);
    // the same again is nothing new
    expect(answers(net, a, { from, to: a.endpoint, bytes: cookie })).toEqual([]);
    let more = 0;
    for (let port = 1; port < 20; port++) {
      const moved = { ...hello, from: endpoint(1, port) };
      const [other = new Uint8Array(0)] = answers(net, b, moved);
      more += answers(net, a, { from, to: a.endpoint, bytes: other }).length;
    }
    expect(more).toBe(MAX_COOKIES - 1);
  });

  it('of “unknown” needs the mesh key, and then costs no more than a handshake', () => {
    const { a, b, net } = spoken();
    net.filter = () => [];
    net.send(a, b, 'seen by the attacker');
    net.settle();
    const data = net.takeSent()[0] as Packet;
    const forged = new Uint8Array(28);
    forged.set([UNKNOWN_TYPE]);
    forged.set(data.bytes.subarray(4, 12), 4);
    net.inject({ from: b.endpoint, to: a.endpoint, bytes: forged });
    expect(a.counter('bad-unknown')).toBe(1);
    // one of the mesh can say it of a token that it has seen
    const twin = new GossipNode(2);
    net.nodes.splice(1, 1, twin);
    net.filter = (packet) => [packet];
    net.inject(data);
    net.nodes.splice(1, 1, b);
    const [unknown] = twin.channel.takeDatagrams();
    net.inject({ from: NOWHERE, to: a.endpoint, bytes: unknown?.bytes ?? new Uint8Array(0) });
    net.settle();
    expect(net.takeSent().some(({ to }) => to === NOWHERE)).toBe(false);
    expect(b.texts).toEqual(['ping', 'seen by the attacker']);
    net.send(a, b, 'on');
    net.settle();
    expect(b.texts.at(-1)).toBe('on');
  });
});

describe('Strangers', () => {
  it('are heard once they have proven who they are, and answered', () => {
    const { b, net } = pair();
    const stranger = new GossipNode(9);
    stranger.members.add(b.id);
    net.nodes.push(stranger);
    net.send(stranger, b, 'let me in');
    net.settle();
    expect(b.received.map(({ from }) => from)).toEqual([stranger.id]);
    net.send(b, stranger, 'come in');
    b.members.add(stranger.id);
    net.send(stranger, b, 'thank you');
    net.settle();
    expect(stranger.texts).toEqual(['come in']);
    b.members.delete(stranger.id);
    net.send(stranger, b, 'revoked');
    net.settle();
    expect(b.texts).toEqual(['let me in', 'thank you', 'revoked']);
  });

  it('say only so much', () => {
    const { b, net } = pair();
    const stranger = new GossipNode(9);
    net.nodes.push(stranger);
    net.send(stranger, b, 'first');
    net.settle();
    for (let i = 0; i < 1_000; i++) {
      net.send(stranger, b, 'chatter');
      net.advance(10);
    }
    // 20 at once, then 10 a second for 10 s
    expect(b.texts.length).toBeLessThanOrEqual(121);
    expect(b.texts.length).toBeGreaterThan(115);
    expect(b.counter('stranger-messages-over-rate')).toBe(1_001 - b.texts.length);
  });

  it('without the mesh key hear nothing, whatever they send', () => {
    const { a, b, net } = spoken();
    fc.assert(
      fc.property(fc.constantFrom(...TYPES), fc.uint8Array({ maxLength: 1_300 }), (type, rest) => {
        const bytes = Uint8Array.of(type, 0, 0, 0, ...rest);
        expect(answers(net, b, { from: a.endpoint, to: b.endpoint, bytes })).toEqual([]);
      }),
      { numRuns: 500 },
    );
    const lengths = { [HELLO_TYPE]: HELLO_LENGTH, [DATA_TYPE]: 64 };
    const random = seededRandom(1);
    for (const [type, length] of Object.entries(lengths)) {
      for (let i = 0; i < 100; i++) {
        const bytes = random.bytes(length);
        bytes.set([Number(type), 0, 0, 0]);
        expect(answers(net, b, { from: NOWHERE, to: b.endpoint, bytes })).toEqual([]);
      }
    }
    expect(b.texts).toEqual(['ping']);
  });

  it('get no Diffie-Hellman before their address is proven', () => {
    const { calls, crypto } = counting();
    const { a, b, net } = pair(new GossipNode(2, { crypto }));
    const bytes = helloOf(a, b, net);
    helloFields(bytes).cookie.fill(1);
    for (let host = 0; host < 100; host++) {
      net.inject({ from: endpoint(1_000 + host), to: b.endpoint, bytes });
    }
    expect(b.counter('cookies-sent')).toBe(100);
    expect(calls.agreements).toBe(0);
    // a cookie is worth nothing from another address, or for another hello
    net.advance(1_000);
    const proven = net.sent.findLast(isType(HELLO_TYPE)) as Packet;
    expect(answers(net, b, { ...proven, from: NOWHERE }).map((answer) => answer[0])).toEqual([
      COOKIE_TYPE,
    ]);
    const other = helloOf(new GossipNode(5), b, net);
    helloFields(other).cookie.set(helloFields(proven.bytes).cookie);
    const answer = answers(net, b, { from: a.endpoint, to: b.endpoint, bytes: other });
    expect(answer.map((bytes) => bytes[0])).toEqual([COOKIE_TYPE]);
  });

  it('are never sent more than they sent', () => {
    const { b, net, recorded } = spoken();
    const before = b.channel;
    const provoke = (packet: Packet) => {
      const answer = answers(net, b, packet);
      expect(answer.length).toBeLessThanOrEqual(1);
      expect(answer[0]?.length ?? 0).toBeLessThanOrEqual(packet.bytes.length);
      return answer.length;
    };
    let provoked = 0;
    for (const restart of [false, true]) {
      if (restart) b.restart();
      for (const packet of recorded) {
        for (const from of [packet.from, NOWHERE]) {
          provoked += provoke({ ...packet, from, to: b.endpoint });
        }
      }
    }
    expect(b.channel).not.toBe(before);
    expect(provoked).toBeGreaterThan(5);
  });
});
