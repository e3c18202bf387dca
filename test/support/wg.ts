// Two WireGuard devices on fakes: seeded randomness, a clock that tests set, and PeerStats that tests write to as the data
// plane would.

import type { Crypto } from '../../src/core/crypto.js';
import type { Random } from '../../src/core/random.js';
import type {
  Datagram,
  Endpoint,
  Keypair,
  Path,
  PeerId,
  PeerStats,
  Prefix,
  PublicKey,
} from '../../src/core/types.js';
import { createCrypto } from '../../src/node/crypto.js';
import { Device, type Peer } from '../../src/wg/device.js';
import type { Effect } from '../../src/wg/effects.js';
import { encodePublicKey } from '../../src/wg/keys.js';

export const crypto: Crypto = await createCrypto();

export type EffectType = Effect['type'];
export type EffectOf<T extends EffectType> = Extract<Effect, { type: T }>;

/** Reproducible bytes (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return { bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff) };
}

export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** An IPv4 or IPv6 literal's bytes; IPv6 without '::'. */
export function address(text: string): Uint8Array {
  if (text.includes('.')) return Uint8Array.from(text.split('.'), Number);
  return hex(
    text
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
  );
}

export function prefix(text: string): Prefix {
  const [ip = '', length = ''] = text.split('/');
  return { address: address(ip), length: Number(length) };
}

export function endpoint(ip: string, port: number): Endpoint {
  return { address: address(ip), port, scopeId: 0 };
}

export function pathFrom(remote: Endpoint): Path {
  return { remote, local: null, interfaceIndex: 0 };
}

type Mark = 'lastSentMs' | 'lastReceivedMs' | 'unansweredSinceMs' | 'owesKeepaliveSinceMs';

export class FakeStats implements PeerStats {
  readonly #marks = new Map<string, number>();

  set(mark: Mark, id: PeerId, ms: number): void {
    this.#marks.set(`${mark}:${id}`, ms);
  }

  #get(mark: Mark, id: PeerId): number {
    return this.#marks.get(`${mark}:${id}`) ?? 0;
  }

  txBytes = () => 0n;
  rxBytes = () => 0n;
  lastDataSentMs = () => 0;
  lastDataReceivedMs = () => 0;
  lastSentMs = (id: PeerId) => this.#get('lastSentMs', id);
  lastReceivedMs = (id: PeerId) => this.#get('lastReceivedMs', id);
  unansweredSinceMs = (id: PeerId) => this.#get('unansweredSinceMs', id);
  owesKeepaliveSinceMs = (id: PeerId) => this.#get('owesKeepaliveSinceMs', id);
}

function littleEndian(word: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, word, true);
  return bytes;
}

/** The wall clock stands this far ahead of the data plane's. */
const WALL_EPOCH_SECONDS = 1_700_000_000;

export class Side {
  readonly stats = new FakeStats();
  readonly device: Device;
  readonly privateKey: Uint8Array;
  readonly publicKey: PublicKey;
  /** All keypairs installed so far, copied. */
  readonly keypairs: Keypair[] = [];
  /** What the next requests for four random bytes, such as an index, give; then the generator again. */
  readonly nextWords: number[] = [];

  constructor(
    readonly clock: { nowMs: number },
    readonly endpoint: Endpoint,
    seed: number,
    wrapCrypto: Crypto = crypto,
  ) {
    const generator = seededRandom(seed);
    const random: Random = {
      bytes: (length) => {
        const word = length === 4 ? this.nextWords.shift() : undefined;
        return word === undefined ? generator.bytes(length) : littleEndian(word);
      },
    };
    this.device = new Device({
      crypto: wrapCrypto,
      random,
      stats: this.stats,
      wallTime: () => {
        const ms = this.clock.nowMs;
        const seconds = Math.floor(ms / 1000);
        return {
          seconds: WALL_EPOCH_SECONDS + seconds,
          nanoseconds: Math.floor((ms - seconds * 1000) * 1e6),
        };
      },
    });
    this.privateKey = random.bytes(32);
    this.publicKey = encodePublicKey(crypto.importPrivateKey(this.privateKey).publicKey);
    this.device.setPrivateKey(this.clock.nowMs, this.privateKey);
  }

  /** Takes the effects and does to the stats what the data plane would. */
  drain(): readonly Effect[] {
    const effects = this.device.takeEffects();
    for (const effect of effects) {
      if (effect.type === 'install-keypair') {
        const { sendKey, receiveKey } = effect.keypair;
        this.keypairs.push({
          ...effect.keypair,
          sendKey: new Uint8Array(sendKey),
          receiveKey: new Uint8Array(receiveKey),
        });
      } else if (effect.type === 'send-handshake') {
        this.stats.set('lastSentMs', effect.peer, this.clock.nowMs);
        this.stats.set('owesKeepaliveSinceMs', effect.peer, 0);
      } else if (effect.type === 'handshake-received') {
        this.stats.set('lastReceivedMs', effect.peer, this.clock.nowMs);
        this.stats.set('unansweredSinceMs', effect.peer, 0);
      } else if (effect.type === 'clear-unanswered') {
        this.stats.set('unansweredSinceMs', effect.peer, 0);
      } else if (effect.type === 'drop-staged') {
        this.stats.set('owesKeepaliveSinceMs', effect.peer, 0);
      }
    }
    return effects;
  }

  drainTypes(): EffectType[] {
    return this.drain().map((effect) => effect.type);
  }

  /** Lets the clock run, ticking when the device wants it; the effects with the times they came at. */
  runUntil(ms: number): { atMs: number; effect: Effect }[] {
    const seen: { atMs: number; effect: Effect }[] = [];
    for (;;) {
      const nextMs = Math.max(this.device.nextTickMs(), this.clock.nowMs);
      if (nextMs > ms) break;
      this.clock.nowMs = nextMs;
      this.device.tick(nextMs);
      for (const effect of this.drain()) seen.push({ atMs: nextMs, effect });
    }
    this.clock.nowMs = ms;
    return seen;
  }

  receive(bytes: Uint8Array, from: Endpoint): void {
    const datagram: Datagram = { path: pathFrom(from), bytes };
    this.device.receive(this.clock.nowMs, datagram);
  }

  /** Asks for a handshake and returns the initiation, if one was sent. */
  initiate(peer: Peer): Uint8Array | null {
    this.device.handshakeNeeded(this.clock.nowMs, peer.id);
    return only(this.drain(), 'send-handshake')?.bytes ?? null;
  }
}

/** The one effect of a type, or undefined; more than one is an error. */
export function only<T extends EffectType>(
  effects: readonly Effect[],
  type: T,
): EffectOf<T> | undefined {
  const found = effects.filter((effect): effect is EffectOf<T> => effect.type === type);
  if (found.length > 1) throw new Error(`${found.length} effects ${type}`);
  return found[0];
}

export function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('nothing there');
  return value;
}

/** Alice and Bob, up, knowing each other; Alice knows Bob's endpoint. */
export function pair(options: { wrapCrypto?: Crypto } = {}) {
  const clock = { nowMs: 1_000_000 };
  const alice = new Side(clock, endpoint('192.0.2.1', 1111), 1, options.wrapCrypto);
  const bob = new Side(clock, endpoint('192.0.2.2', 2222), 2, options.wrapCrypto);
  alice.device.up(clock.nowMs);
  bob.device.up(clock.nowMs);
  const bobAtAlice = must(alice.device.addPeer(clock.nowMs, bob.publicKey));
  const aliceAtBob = must(bob.device.addPeer(clock.nowMs, alice.publicKey));
  alice.device.setEndpoint(clock.nowMs, bobAtAlice, bob.endpoint);
  alice.drain();
  bob.drain();
  return { clock, alice, bob, bobAtAlice, aliceAtBob };
}

/** A whole handshake, Alice the initiator; returns the messages. */
export function shake({ alice, bob, bobAtAlice }: ReturnType<typeof pair>) {
  const initiation = must(alice.initiate(bobAtAlice));
  bob.receive(initiation, alice.endpoint);
  const response = must(only(bob.drain(), 'send-handshake')).bytes;
  alice.receive(response, bob.endpoint);
  alice.drain();
  return { initiation, response };
}
