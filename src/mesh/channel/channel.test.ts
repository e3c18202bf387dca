import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  endpoint,
  GossipNetwork,
  GossipNode,
  identity,
  type Packet,
} from '../../../test/support/gossip.js';
import { seededRandom } from '../../../test/support/wg.js';
import { randomUint32 } from '../../core/random.js';
import {
  ACCEPT_TYPE,
  COOKIE_TYPE,
  DATA_TYPE,
  HELLO_TYPE,
  MAX_PLAINTEXT,
  UNKNOWN_TYPE,
} from '../../wire/gossip.js';
import {
  MAX_HANDSHAKES,
  MAX_HELD_MESSAGES,
  MAX_HELLOS,
  PENDING_MS,
  REKEY_AFTER_MS,
  SESSION_LIFETIME_MS,
} from './limits.js';

const NAMES: Readonly<Record<number, string>> = {
  [HELLO_TYPE]: 'hello',
  [COOKIE_TYPE]: 'cookie',
  [ACCEPT_TYPE]: 'accept',
  [DATA_TYPE]: 'data',
  [UNKNOWN_TYPE]: 'unknown',
};

function names(packets: readonly Packet[]): string[] {
  return packets.map(({ bytes }) => NAMES[bytes[0] ?? 0] ?? '?');
}

function pair() {
  const [a, b] = [new GossipNode(1), new GossipNode(2)];
  return { a, b, net: GossipNetwork.of(a, b) };
}

/** Two nodes with a session that both have used. */
function spoken() {
  const rig = pair();
  rig.net.send(rig.a, rig.b, 'ping');
  rig.net.settle();
  rig.net.send(rig.b, rig.a, 'pong');
  rig.net.settle();
  rig.net.takeSent();
  return rig;
}

describe('Channel', () => {
  it('proves address and freshness of both before the first message', () => {
    const { a, b, net } = pair();
    net.send(a, b, 'ping');
    net.settle();
    expect(names(net.takeSent())).toEqual(['hello', 'cookie', 'hello', 'accept', 'data']);
    expect(b.received).toEqual([
      {
        from: a.id,
        path: { remote: a.endpoint, local: null, interfaceIndex: 0 },
        plaintext: new TextEncoder().encode('ping'),
        proven: true,
      },
    ]);
    net.send(b, a, 'pong');
    net.send(a, b, 'again');
    net.settle();
    expect(names(net.takeSent())).toEqual(['data', 'data']);
    expect(a.texts).toEqual(['pong']);
    expect(b.texts).toEqual(['ping', 'again']);
  });

  it('holds a few messages until the session is there, in order, and counts the rest', () => {
    const { a, b, net } = pair();
    for (let i = 0; i < MAX_HELD_MESSAGES + 2; i++) net.send(a, b, `${i}`);
    net.settle();
    expect(b.texts).toEqual(Array.from({ length: MAX_HELD_MESSAGES }, (_, i) => `${i}`));
    expect(a.counter('messages-given-up')).toBe(2);
  });

  it('takes messages up to its bound, which fit in the least MTU of IPv6', () => {
    const { a, b, net } = pair();
    const longest = new Uint8Array(MAX_PLAINTEXT).fill(7);
    a.channel.send(net.nowMs, b.id, b.endpoint, longest);
    net.settle();
    expect(b.received.map(({ plaintext }) => plaintext)).toEqual([longest]);
    expect(Math.max(...net.sent.map(({ bytes }) => bytes.length))).toBe(1280 - 40 - 8);
    const tooLong = new Uint8Array(MAX_PLAINTEXT + 1);
    expect(() => a.channel.send(0, b.id, b.endpoint, tooLong)).toThrow(RangeError);
    expect(() => a.channel.send(0, b.id, b.endpoint, new Uint8Array(0))).toThrow(RangeError);
  });

  it('finds one session where both begin at once', () => {
    const { a, b, net } = pair();
    net.send(a, b, 'from a');
    net.send(b, a, 'from b');
    net.settle();
    expect([a.texts, b.texts]).toEqual([['from b'], ['from a']]);
    net.takeSent();
    for (let i = 0; i < 5; i++) {
      net.send(a, b, `a${i}`);
      net.send(b, a, `b${i}`);
    }
    net.advance(PENDING_MS);
    expect(names(net.takeSent())).toEqual(Array(10).fill('data'));
    expect(b.texts).toHaveLength(6);
    expect(a.texts).toHaveLength(6);
  });

  it('tries every endpoint it was given, and goes on with the one that answers', () => {
    const { a, b, net } = pair();
    const text = new TextEncoder().encode('ping');
    a.channel.send(net.nowMs, b.id, endpoint(99), text);
    a.channel.send(net.nowMs, b.id, b.endpoint, text);
    net.settle();
    expect(b.texts).toEqual(['ping']);
    const hellos = net.sent.filter(({ bytes }) => bytes[0] === HELLO_TYPE);
    expect(hellos.map(({ to }) => to)).toEqual([endpoint(99), b.endpoint, b.endpoint]);
  });

  it('gives up a silent node, and begins anew with the next message', () => {
    const { a, b, net } = pair();
    net.filter = () => [];
    net.send(a, b, 'lost');
    net.advance(60_000);
    expect(names(net.takeSent())).toEqual(Array(MAX_HELLOS).fill('hello'));
    expect(a.counter('handshakes-given-up')).toBe(1);
    expect(a.counter('messages-given-up')).toBe(1);
    expect(a.channel.nextTickMs()).toBe(Infinity);
    net.filter = (packet) => [packet];
    net.send(a, b, 'found');
    net.settle();
    expect(b.texts).toEqual(['found']);
  });

  it('bounds its handshakes in flight', () => {
    const a = new GossipNode(1);
    for (let i = 0; i < MAX_HANDSHAKES + 3; i++) {
      const { id } = identity(1_000 + i);
      a.members.add(id);
      a.channel.send(0, id, endpoint(9), Uint8Array.of(1));
    }
    expect(a.counter('handshakes-over-limit')).toBe(3);
    expect(a.channel.takeDatagrams()).toHaveLength(MAX_HANDSHAKES);
  });

  it('follows a peer that roams', () => {
    const { a, b, net } = spoken();
    a.endpoint = endpoint(77, 4_000);
    net.send(a, b, 'from elsewhere');
    net.settle();
    expect(b.received.at(-1)?.path.remote).toEqual(endpoint(77, 4_000));
    expect(b.received.at(-1)?.proven).toBe(false);
  });

  it('takes an address for proven only if the handshake went there and nowhere else', () => {
    const { a, b, net } = pair();
    a.channel.send(net.nowMs, b.id, endpoint(9), Uint8Array.of(1));
    net.send(a, b, 'ping');
    net.settle();
    net.send(b, a, 'pong');
    net.settle();
    expect(b.received.at(-1)?.proven).toBe(true);
    expect(a.received.at(-1)?.proven).toBe(false);
    const { a: c, b: d, net: other } = pair();
    other.send(c, d, 'ping');
    other.settle();
    other.send(d, c, 'pong');
    other.settle();
    expect(c.received.at(-1)?.proven).toBe(true);
  });

  it('makes a new session after an hour without losing a message', () => {
    const { a, b, net } = spoken();
    net.advance(REKEY_AFTER_MS);
    net.send(a, b, 'old');
    net.settle();
    net.send(b, a, 'answer');
    net.settle();
    expect(names(net.takeSent())).toEqual([
      ...['data', 'hello', 'cookie', 'hello', 'accept', 'data'],
      'data',
    ]);
    net.advance(SESSION_LIFETIME_MS - REKEY_AFTER_MS);
    net.send(b, a, 'new');
    net.settle();
    expect(names(net.takeSent())).toEqual(['data']);
    expect([a.texts, b.texts]).toEqual([
      ['pong', 'answer', 'new'],
      ['ping', 'old'],
    ]);
  });

  it('uses no session past its life', () => {
    const { a, b, net } = spoken();
    net.advance(SESSION_LIFETIME_MS);
    net.send(a, b, 'anew');
    net.settle();
    expect(names(net.takeSent())).toEqual(['hello', 'cookie', 'hello', 'accept', 'data']);
    expect(b.texts).toEqual(['ping', 'anew']);
  });

  it('says hello again with what it holds when its peer has been forgotten', () => {
    const { a, b, net } = spoken();
    a.channel.forget(b.id);
    b.channel.forget(a.id);
    net.send(a, b, 'again');
    net.settle();
    expect(b.texts).toEqual(['ping', 'again']);
    a.channel.forget(a.id);
  });

  it('drops what waits for a node that is forgotten', () => {
    const { a, b, net } = pair();
    net.send(a, b, 'never');
    a.channel.forget(b.id);
    net.advance(60_000);
    expect(b.texts).toEqual([]);
    expect(a.counter('messages-given-up')).toBe(1);
  });

  it('does one Diffie-Hellman a node, however often it comes again', () => {
    const { a, b, net } = pair();
    let agreements = 0;
    const { agreementKey } = b.identity.key;
    const diffieHellman = agreementKey.diffieHellman.bind(agreementKey);
    agreementKey.diffieHellman = (key) => {
      agreements++;
      return diffieHellman(key);
    };
    for (let i = 0; i < 20; i++) {
      a.restart();
      net.send(a, b, `${i}`);
      net.advance(1_000);
    }
    expect(b.texts).toHaveLength(20);
    expect(agreements).toBe(1);
  });
});

describe('Restart', () => {
  it('of the receiver: the sender is told, and its last message comes through', () => {
    const { a, b, net } = spoken();
    b.restart();
    net.send(a, b, 'after');
    net.settle();
    expect(names(net.takeSent())).toEqual([
      ...['data', 'unknown', 'hello', 'cookie', 'hello', 'accept', 'data'],
    ]);
    expect(b.texts).toEqual(['ping', 'after']);
  });

  it('of the sender: it begins anew, and the receiver answers in the new session', () => {
    const { a, b, net } = spoken();
    a.restart();
    net.send(a, b, 'after');
    net.settle();
    net.takeSent();
    net.send(b, a, 'answer');
    net.settle();
    expect(names(net.takeSent())).toEqual(['data']);
    expect([a.texts, b.texts]).toEqual([
      ['pong', 'answer'],
      ['ping', 'after'],
    ]);
  });

  it('of both', () => {
    const { a, b, net } = spoken();
    a.restart();
    b.restart();
    net.send(a, b, 'a');
    net.send(b, a, 'b');
    net.settle();
    expect([a.texts, b.texts]).toEqual([
      ['pong', 'b'],
      ['ping', 'a'],
    ]);
  });

  it('of the receiver while messages to it are under way: a loss at most, and no silence', () => {
    const { a, b, net } = spoken();
    b.restart();
    for (const text of ['1', '2', '3']) net.send(a, b, text);
    net.settle();
    // the last is repeated; those before it are lost as datagrams may be
    expect(b.texts).toEqual(['ping', '3']);
  });
});

describe('Bad networks', () => {
  it.each([10, 20, 30])(
    'with loss of %i in a hundred, and duplicates, each message comes at most once',
    (loss) => {
      const { a, b, net } = pair();
      const random = seededRandom(loss);
      const chance = (percent: number) => randomUint32(random) % 100 < percent;
      net.filter = (packet) => {
        if (chance(loss)) return [];
        return chance(10) ? [packet, packet] : [packet];
      };
      for (let i = 0; i < 500; i++) {
        net.send(a, b, `${i}`);
        net.send(b, a, `${i}`);
        net.advance(200);
      }
      for (const node of [a, b]) {
        expect(new Set(node.texts).size).toBe(node.texts.length);
        // what is held is lost only with its handshake
        expect(node.texts.length).toBeGreaterThan(500 * (1 - loss / 100) * 0.93);
      }
    },
  );

  it('takes reordered messages once each, in whatever order they come', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...Array(40).keys()], { minLength: 40 }),
        fc.array(fc.nat(39), { maxLength: 40 }),
        (order, repeated) => {
          const { a, b, net } = spoken();
          net.filter = () => [];
          for (let i = 0; i < 40; i++) net.send(a, b, `${i}`);
          net.settle();
          const packets = net.takeSent();
          for (const i of [...order, ...repeated]) net.inject(packets[i] as Packet);
          expect(b.texts.slice(1)).toEqual(order.map(String));
          expect(b.counter('replayed')).toBe(repeated.length);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('comes to rest whatever is lost, and works again once nothing is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'restart a', 'restart b', 'wait'), { maxLength: 30 }),
        fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }),
        (steps, lost) => {
          const { a, b, net } = pair();
          let sent = 0;
          net.filter = (packet) => (lost[sent++ % lost.length] ? [] : [packet]);
          for (const step of steps) {
            if (step === 'a') net.send(a, b, 'x');
            else if (step === 'b') net.send(b, a, 'x');
            else if (step === 'restart a') a.restart();
            else if (step === 'restart b') b.restart();
            net.advance(step === 'wait' ? 15_000 : 50);
          }
          net.filter = (packet) => [packet];
          net.advance(15_000);
          for (const [from, to] of [
            [a, b],
            [b, a],
          ] as const) {
            net.send(from, to, 'at last');
            net.advance(5_000);
            expect(to.texts.at(-1)).toBe('at last');
          }
          net.advance(15_000);
          expect(a.channel.nextTickMs()).toBe(Infinity);
          expect(b.channel.nextTickMs()).toBe(Infinity);
        },
      ),
      { numRuns: 60 },
    );
  });
});
