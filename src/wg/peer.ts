// What the core keeps of one peer. Its live keys, nonces and staged packets are the data plane's.

import type { WallTime } from '../core/clock.js';
import type { Endpoint, PeerId, Prefix, PublicKey } from '../core/types.js';
import type { PrefixSet } from './allowed-ips.js';
import type { CookieJar } from './cookie.js';
import type { Scheduled } from './deadline-queue.js';
import type { Handshake } from './handshake.js';
import type { TimerState } from './timers.js';

/** A peer as configuration sees it. */
export interface Peer {
  readonly id: PeerId;
  readonly publicKey: PublicKey;
  /** 32 bytes; all zero = none. Secret, and not a copy. */
  readonly presharedKey: Uint8Array;
  /** Null until configured or learnt from an authenticated packet. */
  readonly endpoint: Endpoint | null;
  /** 0 = off. */
  readonly persistentKeepaliveSeconds: number;
  /** When the last handshake completed: for the responder, when the first packet under the new keys came. */
  readonly lastHandshake: WallTime | null;
  /** In the order in which they were set. */
  allowedIps(): readonly Prefix[];
}

/** A peer as the device sees it. Only device.ts changes it. */
export class PeerRecord implements Peer, Scheduled {
  endpoint: Endpoint | null = null;
  persistentKeepaliveSeconds = 0;
  lastHandshake: WallTime | null = null;

  readonly prefixes: PrefixSet = new Map();
  readonly timers: TimerState = {
    retransmitAtMs: Infinity,
    zeroKeysAtMs: Infinity,
    persistentKeepaliveMs: 0,
    persistentAskedMs: 0,
    newHandshakeJitterMs: 0,
    newHandshakeFiredForMs: 0,
    passiveFiredForMs: 0,
  };
  /** Our last initiation or response; -Infinity: a handshake may start at once. */
  handshakeSentMs = -Infinity;
  /** Retransmits since someone last asked for a handshake. */
  handshakeAttempts = 0;

  heapIndex = -1;
  lookAtMs = 0;

  constructor(
    readonly id: PeerId,
    readonly publicKey: PublicKey,
    readonly handshake: Handshake,
    readonly cookies: CookieJar,
  ) {}

  get presharedKey(): Uint8Array {
    return this.handshake.presharedKey;
  }

  /** Copies: the address may be a view of a receive buffer. */
  roam({ address, port, scopeId }: Endpoint): void {
    this.endpoint = { address: new Uint8Array(address), port, scopeId };
  }

  allowedIps(): readonly Prefix[] {
    return [...this.prefixes.values()];
  }

  /** True if any timer may run: there are keys, a handshake in flight, or a persistent keepalive. */
  get isAwake(): boolean {
    const { retransmitAtMs, zeroKeysAtMs, persistentKeepaliveMs } = this.timers;
    return persistentKeepaliveMs > 0 || Math.min(retransmitAtMs, zeroKeysAtMs) !== Infinity;
  }
}
