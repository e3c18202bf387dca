// A peer of the fake data plane: its keys in their three slots, what it stages, its counters. The same rules as
// native/src/peer, written for reading.

import type { Endpoint, IpAddress, Keypair, PeerId, PeerStats } from '../core/types.js';

export const REKEY_AFTER_TIME_MS = 120_000;
export const REJECT_AFTER_TIME_MS = 180_000;
/** REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT: an initiator that still receives renews by then. */
export const REKEY_ON_RECEIVE_MS = 165_000;
const MAX_STAGED_PACKETS = 128;

export interface LiveKeypair extends Keypair {
  sendCounter: number;
  /** Counters seen; unbounded, as only tests run on it. */
  readonly received: Set<number>;
  /** A renewal was asked for on receive, which is done once a session. */
  renewalAsked: boolean;
}

/** Counters and times, as PeerStats has them. */
export class FakePeerRecord {
  txBytes = 0n;
  rxBytes = 0n;
  lastSentMs = 0;
  lastReceivedMs = 0;
  lastDataSentMs = 0;
  lastDataReceivedMs = 0;
  unansweredSinceMs = 0;
  owesKeepaliveSinceMs = 0;
}

export class FakePeer {
  endpoint: Endpoint | null = null;
  /** Our address that the peer last reached us at; null lets the network choose. */
  source: IpAddress | null = null;
  current: LiveKeypair | null = null;
  previous: LiveKeypair | null = null;
  next: LiveKeypair | null = null;
  staged: Uint8Array[] = [];
  /** Index in the last handshake message sent to it. */
  handshakeIndex: number | null = null;
  readonly record = new FakePeerRecord();
  #owesAnother = false;

  constructor(readonly id: PeerId) {}

  /** @returns the keys that were replaced */
  install(keypair: Keypair): LiveKeypair[] {
    const live = {
      ...keypair,
      // The caller wipes its arrays.
      sendKey: keypair.sendKey.slice(),
      receiveKey: keypair.receiveKey.slice(),
      sendCounter: 0,
      received: new Set<number>(),
      renewalAsked: false,
    };
    const before = this.keypairs();
    if (keypair.initiator) {
      // A confirmed session of the peer's is waiting: it outranks our current one (wireguard-go, BeginSymmetricSession).
      this.previous = this.next ?? this.current;
      this.next = null;
      this.current = live;
    } else {
      this.next = live;
      this.previous = null;
    }
    return before.filter((key) => !this.keypairs().includes(key));
  }

  /** The first packet under `next` authenticated. @returns the keys that were replaced */
  promoteNext(): LiveKeypair[] {
    const retired = this.previous === null ? [] : [this.previous];
    this.previous = this.current;
    this.current = this.next;
    this.next = null;
    return retired;
  }

  clearKeypairs(): LiveKeypair[] {
    const retired = this.keypairs();
    this.current = null;
    this.previous = null;
    this.next = null;
    return retired;
  }

  keypairs(): LiveKeypair[] {
    return [this.current, this.previous, this.next].filter((key) => key !== null);
  }

  /** @returns false if the oldest had to go */
  stage(packet: Uint8Array): boolean {
    this.staged.push(packet);
    if (this.staged.length <= MAX_STAGED_PACKETS) return true;
    this.staged.shift();
    return false;
  }

  /** An authenticated packet was sent: data, keepalive or handshake. */
  noteSent(nowMs: number, bytes: number): void {
    this.record.txBytes += BigInt(bytes);
    this.record.lastSentMs = nowMs;
    this.record.owesKeepaliveSinceMs = 0;
  }

  noteDataSent(nowMs: number): void {
    this.record.lastDataSentMs = nowMs;
    if (this.record.unansweredSinceMs === 0) this.record.unansweredSinceMs = nowMs;
  }

  /** An authenticated packet was received: data, keepalive or handshake. */
  noteReceived(nowMs: number, bytes: number): void {
    this.record.rxBytes += BigInt(bytes);
    this.record.lastReceivedMs = nowMs;
    this.record.unansweredSinceMs = 0;
  }

  noteDataReceived(nowMs: number): void {
    this.record.lastDataReceivedMs = nowMs;
    if (this.record.owesKeepaliveSinceMs === 0) this.record.owesKeepaliveSinceMs = nowMs;
    else this.#owesAnother = true;
  }

  /** More data came after the one that this keepalive answers: it is owed an answer of its own. */
  keepaliveSent(nowMs: number): void {
    if (this.#owesAnother) this.record.owesKeepaliveSinceMs = nowMs;
    this.#owesAnother = false;
  }
}

export class FakePeerStats implements PeerStats {
  readonly #records = new Map<PeerId, FakePeerRecord>();

  open(id: PeerId, record: FakePeerRecord): void {
    this.#records.set(id, record);
  }

  close(id: PeerId): void {
    this.#records.delete(id);
  }

  txBytes(id: PeerId): bigint {
    return this.#records.get(id)?.txBytes ?? 0n;
  }

  rxBytes(id: PeerId): bigint {
    return this.#records.get(id)?.rxBytes ?? 0n;
  }

  lastSentMs(id: PeerId): number {
    return this.#records.get(id)?.lastSentMs ?? 0;
  }

  lastReceivedMs(id: PeerId): number {
    return this.#records.get(id)?.lastReceivedMs ?? 0;
  }

  lastDataSentMs(id: PeerId): number {
    return this.#records.get(id)?.lastDataSentMs ?? 0;
  }

  lastDataReceivedMs(id: PeerId): number {
    return this.#records.get(id)?.lastDataReceivedMs ?? 0;
  }

  unansweredSinceMs(id: PeerId): number {
    return this.#records.get(id)?.unansweredSinceMs ?? 0;
  }

  owesKeepaliveSinceMs(id: PeerId): number {
    return this.#records.get(id)?.owesKeepaliveSinceMs ?? 0;
  }
}
