// The WireGuard core's only entry. Configuration, handshake messages, the data plane's events and the time go in; effects
// and the time of the next tick come out. Nothing here blocks, sends, or reads a clock.
//
//   configuration ----.
//   receive() --------+--> peers, exchange.ts, timers.ts --> takeEffects(), nextTickMs()
//   events, tick() ---'

import { WeftError } from '../core/errors.js';
import {
  type Datagram,
  type Endpoint,
  MAX_PEERS,
  type PeerId,
  type PeerStats,
  type Prefix,
  type PublicKey,
} from '../core/types.js';
import { AllowedIps } from './allowed-ips.js';
import {
  MAX_HANDSHAKE_ATTEMPTS,
  MAX_SLEEP_MS,
  REKEY_TIMEOUT_MS,
  TICK_INTERVAL_MS,
  ZERO_KEYS_AFTER_MS,
} from './constants.js';
import { CookieJar } from './cookie.js';
import { DeadlineQueue } from './deadline-queue.js';
import { type Effect, EffectList } from './effects.js';
import { Exchange, type ExchangeEnvironment } from './exchange.js';
import { clampPrivateKey, decodePublicKey, encodePublicKey, KEY_LENGTH } from './keys.js';
import { type Peer, PeerRecord } from './peer.js';
import { judge, type PacketTimes } from './timers.js';

export type { Peer } from './peer.js';

export interface DeviceEnvironment extends ExchangeEnvironment {
  readonly stats: PeerStats;
}

/** Times are milliseconds on the data plane's clock. A Peer that was removed is ignored wherever it is passed. */
export class Device {
  readonly #env: DeviceEnvironment;
  readonly #effects = new EffectList();
  readonly #exchange: Exchange;
  readonly #peers = new Map<PublicKey, PeerRecord>();
  readonly #peersById = new Map<PeerId, PeerRecord>();
  /** Removed peers whose id, and whose indices, the data plane still uses. */
  readonly #leaving = new Map<PeerId, PeerRecord>();
  readonly #freeIds: PeerId[] = [];
  readonly #allowedIps = new AllowedIps<PeerRecord>();
  readonly #schedule = new DeadlineQueue<PeerRecord>();
  #privateKey: Uint8Array | null = null;
  #up = false;
  #lastTickMs = -Infinity;

  constructor(env: DeviceEnvironment) {
    this.#env = env;
    this.#exchange = new Exchange(env, this.#effects, (key) => this.#peers.get(key));
  }

  // --- The device's configuration ---

  /** 32 bytes, clamped. Secret, and not a copy. */
  get privateKey(): Uint8Array | null {
    return this.#privateKey;
  }

  get publicKey(): Uint8Array | null {
    return this.#exchange.publicKey;
  }

  /**
   * All zero or null = none. Sessions of another key end, and handshakes with the new one may start at once. A peer with
   * our own public key is removed.
   * @param key 32 bytes, copied
   */
  setPrivateKey(nowMs: number, key: Uint8Array | null): void {
    const unset = key === null || key.every((byte) => byte === 0);
    if (!unset && key.length !== KEY_LENGTH) {
      throw new WeftError('EINVAL', 'A private key has 32 bytes');
    }
    const clamped = unset ? null : clampPrivateKey(key);
    if (sameKey(this.#env.crypto.equal, clamped, this.#privateKey)) {
      clamped?.fill(0);
      return;
    }
    this.#privateKey?.fill(0);
    this.#privateKey = clamped;
    this.#exchange.setIdentity(clamped && this.#env.crypto.importPrivateKey(clamped));
    const { publicKey } = this.#exchange;
    const ourself = publicKey && this.#peers.get(encodePublicKey(publicKey));
    if (ourself) this.removePeer(ourself);
    this.#effects.push({ type: 'set-public-key', publicKey });
    for (const peer of this.#peers.values()) {
      peer.handshake.localKeyChanged();
      peer.handshakeSentMs = -Infinity;
      this.#effects.push({ type: 'clear-keypairs', peer: peer.id });
      if (publicKey !== null) this.#startPersistentKeepalive(nowMs, peer);
    }
  }

  get isUp(): boolean {
    return this.#up;
  }

  up(nowMs: number): void {
    if (this.#up) return;
    this.#up = true;
    for (const peer of this.#peers.values()) this.#startPersistentKeepalive(nowMs, peer);
  }

  down(_nowMs: number): void {
    if (!this.#up) return;
    this.#up = false;
    for (const peer of this.#peers.values()) this.#stop(peer);
  }

  // --- Peers and their configuration ---

  get peerCount(): number {
    return this.#peers.size;
  }

  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  peer(key: PublicKey): Peer | undefined {
    return this.#peers.get(key);
  }

  /**
   * The peer with this key, created if there is none yet. Null for our own key, which is ignored.
   * @throws WeftError EPEERS: all ids are taken, by peers or by removed ones the data plane has not let go of
   */
  addPeer(_nowMs: number, key: PublicKey): Peer | null {
    const existing = this.#peers.get(key);
    if (existing !== undefined) return existing;
    const ours = this.#exchange.publicKey;
    if (ours !== null && encodePublicKey(ours) === key) return null;
    const id = this.#takeId();
    const publicKey = decodePublicKey(key);
    const handshake = this.#exchange.newHandshake(() => peer, publicKey);
    const cookies = new CookieJar(this.#env.crypto, publicKey);
    const peer: PeerRecord = new PeerRecord(id, key, handshake, cookies);
    peer.timers.newHandshakeJitterMs = this.#exchange.jitterMs();
    this.#peers.set(key, peer);
    this.#peersById.set(id, peer);
    this.#effects.push({ type: 'add-peer', peer: id });
    return peer;
  }

  removePeer(peer: Peer): void {
    const record = this.#live(peer);
    if (record === undefined) return;
    this.#peers.delete(record.publicKey);
    this.#peersById.delete(record.id);
    this.#leaving.set(record.id, record);
    this.#schedule.remove(record);
    this.#allowedIps.removeAll(record);
    record.handshake.wipe();
    record.cookies.wipe();
    this.#effects.push({ type: 'remove-peer', peer: record.id });
  }

  removeAllPeers(): void {
    for (const peer of [...this.#peers.values()]) this.removePeer(peer);
  }

  /** @param key 32 bytes, copied; all zero = none. Holds from the next handshake on. */
  setPresharedKey(peer: Peer, key: Uint8Array): void {
    if (key.length !== KEY_LENGTH) throw new WeftError('EINVAL', 'A preshared key has 32 bytes');
    const record = this.#live(peer);
    if (record !== undefined) record.handshake.presharedKey = key;
  }

  setEndpoint(nowMs: number, peer: Peer, endpoint: Endpoint): void {
    const record = this.#live(peer);
    if (record === undefined) return;
    const first = record.endpoint === null;
    record.roam(endpoint);
    this.#effects.push({ type: 'set-endpoint', peer: record.id, endpoint });
    if (first) this.#startPersistentKeepalive(nowMs, record);
  }

  /** @param seconds 0 = off */
  setPersistentKeepalive(nowMs: number, peer: Peer, seconds: number): void {
    const record = this.#live(peer);
    if (record === undefined) return;
    const wasOff = record.persistentKeepaliveSeconds === 0;
    record.persistentKeepaliveSeconds = seconds;
    record.timers.persistentKeepaliveMs = seconds * 1_000;
    if (wasOff) this.#startPersistentKeepalive(nowMs, record);
    this.#reschedule(nowMs, record);
  }

  /** Prefixes that another peer has move here. They are kept, not copied. */
  addAllowedIps(peer: Peer, prefixes: readonly Prefix[]): void {
    const record = this.#live(peer);
    if (record === undefined) return;
    const added = compact(prefixes.map((prefix) => this.#allowedIps.insert(record, prefix)));
    if (added.length > 0) this.#effects.addAllowedIps(record.id, added);
  }

  /** Prefixes that the peer does not have are ignored. */
  removeAllowedIps(peer: Peer, prefixes: readonly Prefix[]): void {
    const record = this.#live(peer);
    if (record === undefined) return;
    const removed = compact(prefixes.map((prefix) => this.#allowedIps.remove(record, prefix)));
    this.#allowedIpsRemoved(record, removed);
  }

  /** Takes all allowed IPs from the peer, so that those added next replace them. */
  replaceAllowedIps(peer: Peer): void {
    const record = this.#live(peer);
    if (record !== undefined) this.#allowedIpsRemoved(record, this.#allowedIps.removeAll(record));
  }

  // --- Inputs ---

  /** A handshake message from the network, of any content. */
  receive(nowMs: number, datagram: Datagram): void {
    if (!this.#up) {
      this.#exchange.counters['interface-down']++;
      return;
    }
    const peer = this.#exchange.receive(nowMs, datagram);
    if (peer !== null) this.#reschedule(nowMs, peer);
  }

  /** The data plane gets handshake messages faster than is good: cookies are asked for, for a second. */
  noteLoad(nowMs: number): void {
    this.#exchange.noteLoad(nowMs);
  }

  handshakeNeeded(nowMs: number, id: PeerId): void {
    const peer = this.#peersById.get(id);
    if (peer === undefined || !this.#up) return;
    peer.handshakeAttempts = 0;
    this.#exchange.initiate(nowMs, peer);
    this.#reschedule(nowMs, peer);
  }

  /** The peer used the keys we sent it as responder. */
  keypairConfirmed(nowMs: number, id: PeerId): void {
    const peer = this.#peersById.get(id);
    if (peer === undefined) return;
    this.#exchange.completed(peer);
    this.#reschedule(nowMs, peer);
  }

  endpointChanged(id: PeerId, endpoint: Endpoint): void {
    this.#peersById.get(id)?.roam(endpoint);
  }

  keypairRetired(localIndex: number): void {
    this.#exchange.releaseIndex(localIndex);
  }

  /** The data plane has forgotten a removed peer: its id may be used again. */
  peerRemoved(id: PeerId): void {
    const peer = this.#leaving.get(id);
    if (peer === undefined) return;
    this.#leaving.delete(id);
    this.#exchange.releaseIndices(peer);
    this.#freeIds.push(id);
  }

  tick(nowMs: number): void {
    this.#lastTickMs = nowMs;
    for (let peer = this.#schedule.popDue(nowMs); peer; peer = this.#schedule.popDue(nowMs)) {
      this.#actOnTimers(nowMs, peer);
      this.#reschedule(nowMs, peer, nowMs + TICK_INTERVAL_MS);
    }
  }

  // --- Outputs ---

  /** When tick() is wanted next, at the earliest 25 ms after the last; may have passed. Infinity if never. */
  nextTickMs(): number {
    return Math.max(this.#schedule.nextMs, this.#lastTickMs + TICK_INTERVAL_MS);
  }

  /**
   * What is to be done, in order; empties the list. Apply it before the next call: the keys of install-keypair are wiped
   * by the next takeEffects().
   */
  takeEffects(): readonly Effect[] {
    return this.#effects.take();
  }

  /** Handshake messages since the start: dropped by reason, sent and accepted by type. */
  counters(): Readonly<Record<string, number>> {
    return { ...this.#exchange.counters };
  }

  // --- Timers ---

  #actOnTimers(nowMs: number, peer: PeerRecord): void {
    const { timers } = peer;
    const times = this.#packetTimes(peer);
    const due = judge(timers, times, nowMs);
    if (due.retransmit) this.#retransmit(nowMs, peer);
    if (due.newHandshake) {
      timers.newHandshakeFiredForMs = times.unansweredSinceMs;
      timers.newHandshakeJitterMs = this.#exchange.jitterMs();
      this.#effects.push({ type: 'clear-unanswered', peer: peer.id });
      this.#effects.push({ type: 'clear-source', peer: peer.id });
      peer.handshakeAttempts = 0;
      this.#exchange.initiate(nowMs, peer);
    }
    if (due.passiveKeepalive) timers.passiveFiredForMs = times.owesKeepaliveSinceMs;
    if (due.persistentKeepalive) timers.persistentAskedMs = nowMs;
    if ((due.passiveKeepalive || due.persistentKeepalive) && peer.endpoint !== null) {
      this.#effects.push({ type: 'send-keepalive', peer: peer.id });
    }
    if (due.zeroKeys) {
      timers.zeroKeysAtMs = Infinity;
      peer.handshake.clear();
      this.#effects.push({ type: 'clear-keypairs', peer: peer.id });
    }
  }

  #retransmit(nowMs: number, peer: PeerRecord): void {
    const { timers } = peer;
    timers.retransmitAtMs = Infinity;
    if (peer.handshakeAttempts > MAX_HANDSHAKE_ATTEMPTS) {
      this.#exchange.counters['handshakes-given-up']++;
      this.#effects.push({ type: 'drop-staged', peer: peer.id });
      timers.passiveFiredForMs = this.#env.stats.owesKeepaliveSinceMs(peer.id);
      // What is left of a half-done exchange must go too.
      if (timers.zeroKeysAtMs === Infinity) timers.zeroKeysAtMs = nowMs + ZERO_KEYS_AFTER_MS;
      return;
    }
    const mayInitiateAtMs = peer.handshakeSentMs + REKEY_TIMEOUT_MS;
    if (nowMs < mayInitiateAtMs) {
      // A response went out since the initiation and restarted the clock.
      timers.retransmitAtMs = mayInitiateAtMs;
      return;
    }
    peer.handshakeAttempts++;
    this.#effects.push({ type: 'clear-source', peer: peer.id });
    this.#exchange.initiate(nowMs, peer);
  }

  #startPersistentKeepalive(nowMs: number, peer: PeerRecord): void {
    if (!this.#up || peer.persistentKeepaliveSeconds === 0 || peer.endpoint === null) return;
    peer.timers.persistentAskedMs = nowMs;
    this.#effects.push({ type: 'send-keepalive', peer: peer.id });
    this.#reschedule(nowMs, peer);
  }

  /** The interface went down: no timer runs, and nothing is left to send or to send it with. */
  #stop(peer: PeerRecord): void {
    const { timers } = peer;
    timers.retransmitAtMs = Infinity;
    timers.zeroKeysAtMs = Infinity;
    timers.newHandshakeFiredForMs = this.#env.stats.unansweredSinceMs(peer.id);
    timers.passiveFiredForMs = this.#env.stats.owesKeepaliveSinceMs(peer.id);
    this.#schedule.remove(peer);
    peer.handshake.clear();
    peer.handshakeSentMs = -Infinity;
    this.#effects.push({ type: 'drop-staged', peer: peer.id });
    this.#effects.push({ type: 'clear-keypairs', peer: peer.id });
    this.#effects.push({ type: 'clear-unanswered', peer: peer.id });
  }

  /** Sets when the peer is looked at next, not before `notBeforeMs`. */
  #reschedule(nowMs: number, peer: PeerRecord, notBeforeMs = nowMs): void {
    if (!this.#up || !peer.isAwake) {
      this.#schedule.remove(peer);
      return;
    }
    const { earliestMs } = judge(peer.timers, this.#packetTimes(peer), nowMs);
    const lookAtMs = Math.min(earliestMs, nowMs + MAX_SLEEP_MS);
    this.#schedule.schedule(peer, Math.max(lookAtMs, notBeforeMs));
  }

  #packetTimes({ id }: PeerRecord): PacketTimes {
    const { stats } = this.#env;
    return {
      lastSentMs: stats.lastSentMs(id),
      lastReceivedMs: stats.lastReceivedMs(id),
      unansweredSinceMs: stats.unansweredSinceMs(id),
      owesKeepaliveSinceMs: stats.owesKeepaliveSinceMs(id),
    };
  }

  // --- Bookkeeping ---

  #live(peer: Peer): PeerRecord | undefined {
    const record = this.#peersById.get(peer.id);
    return record === peer ? record : undefined;
  }

  #takeId(): PeerId {
    const taken = this.#peersById.size + this.#leaving.size;
    const id = this.#freeIds.pop() ?? taken;
    if (id >= MAX_PEERS) throw new WeftError('EPEERS', `More than ${MAX_PEERS} peers: remove some`);
    return id as PeerId;
  }

  #allowedIpsRemoved(peer: PeerRecord, removed: readonly Prefix[]): void {
    if (removed.length === 0) return;
    this.#effects.push({ type: 'update-allowed-ips', peer: peer.id, added: [], removed });
  }
}

function sameKey(
  equal: (a: Uint8Array, b: Uint8Array) => boolean,
  a: Uint8Array | null,
  b: Uint8Array | null,
): boolean {
  return a === null || b === null ? a === b : equal(a, b);
}

function compact<T>(items: readonly (T | null)[]): T[] {
  return items.filter((item) => item !== null);
}
