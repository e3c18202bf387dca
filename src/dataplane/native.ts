// The data plane in C++: the only file that loads the addon. Translates between the types of dataplane.ts and the packed
// bytes of control-codec.ts; decides nothing.

import { createRequire } from 'node:module';
import type { BondPolicy, BondStatus } from '../core/bond.js';
import { WeftError } from '../core/errors.js';
import {
  type Endpoint,
  type Keypair,
  MAX_PEERS,
  type Path,
  type PeerId,
  type PeerStats,
  type Prefix,
} from '../core/types.js';
import { decodeBondStatus, encodePolicy, encodeWays } from './bond-codec.js';
import { decodeBatch, encodeEndpoint, encodePath, encodePrefixes } from './control-codec.js';
import type { ControlBatch, ControlEvent, DataPlane } from './dataplane.js';
import type { EngineKind, EngineOptions, RealTime } from './engine.js';

/**
 * The class that the addon exports. Calls are commands, applied in order by its threads; arrays are copied by the call;
 * errors carry `code`.
 */
interface AddonDataPlane {
  readonly interfaceName: string;
  readonly mtu: number;
  /** At construction. */
  readonly isUp: boolean;
  /** Why it runs without the io_uring that was asked for; else empty. */
  readonly ioUringMissing: string;
  readonly statsBuffer: ArrayBuffer;
  readonly dropsBuffer: ArrayBuffer;
  readonly dropNames: readonly string[];
  readonly engineBuffer: ArrayBuffer;
  readonly engineNames: readonly string[];
  nowMs(): number;
  listen(port: number): number;
  unlisten(): void;
  setFirewallMark(mark: number): void;
  setPublicKey(key: Uint8Array | null): void;
  setCookieSecret(secret: Uint8Array): void;
  acceptGossip(tokenKey: Uint8Array | null): void;
  addPeer(id: number): void;
  removePeer(id: number): void;
  setEndpoint(id: number, endpoint: Uint8Array): void;
  updateAllowedIps(id: number, added: Uint8Array, removed: Uint8Array): void;
  installKeypair(
    id: number,
    localIndex: number,
    remoteIndex: number,
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    initiator: boolean,
    createdMs: number,
  ): void;
  clearKeypairs(id: number): void;
  dropStaged(id: number): void;
  sendKeepalive(id: number): void;
  clearSource(id: number): void;
  clearUnanswered(id: number): void;
  sendHandshake(id: number, bytes: Uint8Array): void;
  handshakeReceived(id: number, path: Uint8Array, length: number): void;
  sendDatagram(path: Uint8Array, bytes: Uint8Array): void;
  sync(token: number): void;
  setBond(id: number, ways: Uint8Array | null): void;
  setBondPolicy(id: number, policy: Uint8Array): void;
  bondStatus(id: number): Uint8Array | null;
  /** Returns the errno's name if real time was asked for and not permitted. */
  start(onReadable: () => void): string | undefined;
  read(maxDatagrams: number): Uint8Array;
  close(): undefined | Promise<void>;
}

interface AddonOptions {
  readonly name: string;
  /** -1 = none. */
  readonly tunFd: number;
  readonly mtu: number;
  readonly engine: EngineKind;
  readonly threads: number;
  /** 0 = the system's default. */
  readonly busyPollUs: number;
  readonly realTime: RealTime;
  readonly ioUring: boolean;
}

interface Addon {
  readonly DataPlane: new (options: AddonOptions) => AddonDataPlane;
  readonly releaseFilePages: (path: string) => number;
}

export interface NativeDataPlaneOptions {
  /** Name of the TUN interface to create. */
  readonly interfaceName: string;
  /** An open TUN descriptor to take over instead. */
  readonly tunFd?: number | undefined;
  readonly mtu: number;
  readonly engine: EngineOptions;
  /** Told if the threads run without the real time that was asked for. */
  readonly onRealTimeRefused?: (code: string) => void;
  /** Told if packets go without the io_uring that was asked for. */
  readonly onIoUringMissing?: (reason: string) => void;
}

const RELEASE_INTERVAL_MS = 30_000;

/** Bytes of a peer's record in the shared buffer, and its fields as indices of 8-byte words. */
const STATS_WORDS = 16;
const Word = {
  txBytes: 0,
  rxBytes: 1,
  lastSentMs: 2,
  lastReceivedMs: 3,
  lastDataSentMs: 4,
  lastDataReceivedMs: 5,
  unansweredSinceMs: 6,
  owesKeepaliveSinceMs: 7,
} as const;

class SharedPeerStats implements PeerStats {
  readonly #integers: BigUint64Array;
  readonly #times: Float64Array;

  constructor(buffer: ArrayBuffer) {
    if (buffer.byteLength < MAX_PEERS * STATS_WORDS * 8) {
      throw new Error('the addon has room for fewer peers than MAX_PEERS');
    }
    this.#integers = new BigUint64Array(buffer);
    this.#times = new Float64Array(buffer);
  }

  txBytes(id: PeerId): bigint {
    return this.#integers[id * STATS_WORDS + Word.txBytes] ?? 0n;
  }

  rxBytes(id: PeerId): bigint {
    return this.#integers[id * STATS_WORDS + Word.rxBytes] ?? 0n;
  }

  lastSentMs(id: PeerId): number {
    return this.#times[id * STATS_WORDS + Word.lastSentMs] ?? 0;
  }

  lastReceivedMs(id: PeerId): number {
    return this.#times[id * STATS_WORDS + Word.lastReceivedMs] ?? 0;
  }

  lastDataSentMs(id: PeerId): number {
    return this.#times[id * STATS_WORDS + Word.lastDataSentMs] ?? 0;
  }

  lastDataReceivedMs(id: PeerId): number {
    return this.#times[id * STATS_WORDS + Word.lastDataReceivedMs] ?? 0;
  }

  unansweredSinceMs(id: PeerId): number {
    return this.#times[id * STATS_WORDS + Word.unansweredSinceMs] ?? 0;
  }

  owesKeepaliveSinceMs(id: PeerId): number {
    return this.#times[id * STATS_WORDS + Word.owesKeepaliveSinceMs] ?? 0;
  }
}

/**
 * Opens the TUN and the engine, not yet started.
 * @throws WeftError ENOADDON, or the errno name of what failed, with a message that says what to do
 */
export function openNativeDataPlane(options: NativeDataPlaneOptions): DataPlane {
  const { DataPlane } = loadAddon();
  const { interfaceName, mtu, tunFd = -1 } = options;
  const { kind, threads, busyPollUs = 0, realTime = 'never', ioUring = false } = options.engine;
  try {
    const addon = new DataPlane({
      name: interfaceName,
      tunFd,
      mtu,
      engine: kind,
      threads,
      busyPollUs,
      realTime,
      ioUring,
    });
    if (addon.ioUringMissing !== '') options.onIoUringMissing?.(addon.ioUringMissing);
    return new NativeDataPlane(addon, options.onRealTimeRefused);
  } catch (error) {
    throw explainOpenError(error, interfaceName);
  }
}

/**
 * Takes Node's own code out of this process's memory (40 MB of 60): most of it runs once, at the start. What is still
 * needed comes back from the page cache as it is used. To be called when the start is over; goes on doing so, as each
 * handshake and each compilation of V8's brings some of it back.
 */
export function releaseStartUpCode(): void {
  const { releaseFilePages } = loadAddon();
  releaseFilePages(process.execPath);
  setInterval(releaseFilePages, RELEASE_INTERVAL_MS, process.execPath).unref();
}

function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)('../../build/Release/weft.node') as Addon;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new WeftError(
      'ENOADDON',
      `cannot load the native addon: build it with 'npm run build:native' (${reason})`,
      { cause: error },
    );
  }
}

interface SystemError extends Error {
  readonly code?: string;
  readonly syscall?: string;
}

function explainOpenError(error: unknown, interfaceName: string): unknown {
  if (!(error instanceof Error)) return error;
  const { code, syscall = '' } = error as SystemError;
  if (code === undefined) return error;
  const remedy = openRemedy(code, syscall, interfaceName);
  return new WeftError(code, `cannot create interface ${interfaceName}: ${remedy}`, {
    cause: error,
  });
}

function openRemedy(code: string, syscall: string, interfaceName: string): string {
  const isDeviceFile = syscall.includes('/dev/net/tun');
  if (isDeviceFile && (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO')) {
    return (
      "/dev/net/tun is missing: load the module with 'modprobe tun', or give the container the device " +
      "('mkdir -p /dev/net && mknod /dev/net/tun c 10 200')"
    );
  }
  if (code === 'EPERM' || code === 'EACCES') {
    return `not permitted (${syscall}): run as root, or grant CAP_NET_ADMIN`;
  }
  if (code === 'EBUSY') {
    return `the name is in use: 'ip link delete ${interfaceName}', or choose another name`;
  }
  if (code === 'EBADF' || code === 'EBADFD')
    return `WG_TUN_FD is no TUN descriptor (${syscall}: ${code})`;
  if (code === 'EINVAL' && syscall === 'TUNSETIFF') {
    return 'the name is invalid, or belongs to an interface that is not a TUN';
  }
  return `${syscall}: ${code}`;
}

class NativeDataPlane implements DataPlane {
  readonly interfaceName: string;
  readonly stats: PeerStats;
  readonly #addon: AddonDataPlane;
  readonly #onRealTimeRefused: ((code: string) => void) | undefined;
  readonly #syncs = new Map<number, () => void>();
  /** The link's state at the start, told as the first event. */
  #initialEvents: ControlEvent[] = [];
  #lastToken = 0;
  #closed = false;

  constructor(addon: AddonDataPlane, onRealTimeRefused?: (code: string) => void) {
    this.#addon = addon;
    this.#onRealTimeRefused = onRealTimeRefused;
    this.interfaceName = addon.interfaceName;
    this.stats = new SharedPeerStats(addon.statsBuffer);
  }

  nowMs(): number {
    return this.#addon.nowMs();
  }

  listen(port: number): number {
    try {
      return this.#addon.listen(port);
    } catch (error) {
      const code = error instanceof Error ? (error as SystemError).code : undefined;
      if (code === undefined) throw error;
      const remedy =
        code === 'EADDRINUSE'
          ? 'it is in use: choose another listen port'
          : `${(error as SystemError).syscall ?? 'bind'}: ${code}`;
      throw new WeftError(code, `cannot listen on UDP port ${port}: ${remedy}`, { cause: error });
    }
  }

  unlisten(): void {
    this.#addon.unlisten();
  }

  setFirewallMark(mark: number): void {
    this.#addon.setFirewallMark(mark);
  }

  setPublicKey(publicKey: Uint8Array | null): void {
    this.#addon.setPublicKey(publicKey);
  }

  acceptGossip(tokenKey: Uint8Array | null): void {
    this.#addon.acceptGossip(tokenKey);
  }

  setCookieSecret(secret: Uint8Array): void {
    this.#addon.setCookieSecret(secret);
  }

  addPeer(id: PeerId): void {
    this.#addon.addPeer(id);
  }

  removePeer(id: PeerId): void {
    this.#addon.removePeer(id);
  }

  setEndpoint(id: PeerId, endpoint: Endpoint): void {
    this.#addon.setEndpoint(id, encodeEndpoint(endpoint));
  }

  updateAllowedIps(id: PeerId, added: readonly Prefix[], removed: readonly Prefix[]): void {
    this.#addon.updateAllowedIps(id, encodePrefixes(added), encodePrefixes(removed));
  }

  installKeypair(id: PeerId, keypair: Keypair): void {
    const { localIndex, remoteIndex, sendKey, receiveKey, initiator, createdMs } = keypair;
    this.#addon.installKeypair(
      id,
      localIndex,
      remoteIndex,
      sendKey,
      receiveKey,
      initiator,
      createdMs,
    );
  }

  clearKeypairs(id: PeerId): void {
    this.#addon.clearKeypairs(id);
  }

  dropStaged(id: PeerId): void {
    this.#addon.dropStaged(id);
  }

  sendKeepalive(id: PeerId): void {
    this.#addon.sendKeepalive(id);
  }

  clearSource(id: PeerId): void {
    this.#addon.clearSource(id);
  }

  clearUnanswered(id: PeerId): void {
    this.#addon.clearUnanswered(id);
  }

  sendHandshake(id: PeerId, bytes: Uint8Array): void {
    this.#addon.sendHandshake(id, bytes);
  }

  handshakeReceived(id: PeerId, path: Path, length: number): void {
    this.#addon.handshakeReceived(id, encodePath(path), length);
  }

  sendDatagram(path: Path, bytes: Uint8Array): void {
    this.#addon.sendDatagram(encodePath(path), bytes);
  }

  setBond(id: PeerId, ways: readonly Path[] | null): void {
    this.#addon.setBond(id, ways === null ? null : encodeWays(ways));
  }

  setBondPolicy(id: PeerId, policy: BondPolicy): void {
    this.#addon.setBondPolicy(id, encodePolicy(policy));
  }

  bondStatus(id: PeerId): BondStatus | null {
    const status = this.#closed ? null : this.#addon.bondStatus(id);
    return status === null ? null : decodeBondStatus(status);
  }

  sync(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#lastToken = (this.#lastToken + 1) >>> 0;
    const token = this.#lastToken;
    return new Promise((resolve) => {
      this.#syncs.set(token, resolve);
      this.#addon.sync(token);
    });
  }

  start(onReadable: () => void): void {
    if (this.#addon.isUp) {
      this.#initialEvents = [{ type: 'link-changed', up: true, mtu: this.#addon.mtu }];
    }
    const refused = this.#addon.start(onReadable);
    if (refused !== undefined) this.#onRealTimeRefused?.(refused);
    if (this.#initialEvents.length > 0) queueMicrotask(onReadable);
  }

  read(maxDatagrams: number): ControlBatch {
    const batch = decodeBatch(this.#addon.read(maxDatagrams));
    for (const token of batch.syncedTokens) {
      this.#syncs.get(token)?.();
      this.#syncs.delete(token);
    }
    if (this.#initialEvents.length === 0) return batch;
    const events = [...this.#initialEvents, ...batch.events];
    this.#initialEvents = [];
    return { ...batch, events };
  }

  drops(): Readonly<Record<string, bigint>> {
    return named(this.#addon.dropNames, this.#addon.dropsBuffer);
  }

  engineCounters(): Readonly<Record<string, bigint>> {
    return named(this.#addon.engineNames, this.#addon.engineBuffer);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#addon.close();
    for (const resolve of this.#syncs.values()) resolve();
    this.#syncs.clear();
  }
}

function named(names: readonly string[], buffer: ArrayBuffer): Record<string, bigint> {
  const values = new BigUint64Array(buffer);
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? 0n]));
}
