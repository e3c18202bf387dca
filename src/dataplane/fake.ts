// The data plane in memory, for tests and the simulator: same observable behaviour as the addon (test/compliance), with
// the clock, the cipher and the network injected. Plaintext packets go in by inject() and come out in `delivered`.

import type { BondPolicy, BondStatus } from '../core/bond.js';
import { WeftError } from '../core/errors.js';
import { sameEndpoint } from '../core/network.js';
import type {
  Datagram,
  Endpoint,
  IpAddress,
  Keypair,
  Path,
  PeerId,
  Prefix,
} from '../core/types.js';
import type { ControlBatch, ControlEvent, DataPlane } from './dataplane.js';
import { fakeBondStatus } from './fake-bond.js';
import type { FakeCipher } from './fake-cipher.js';
import type { FakeDatagram, FakeNetwork, FakeSocket } from './fake-network.js';
import {
  FakePeer,
  FakePeerStats,
  type LiveKeypair,
  REJECT_AFTER_TIME_MS,
  REKEY_AFTER_TIME_MS,
  REKEY_ON_RECEIVE_MS,
} from './fake-peer.js';
import { FakeRoutes } from './fake-routes.js';
import { innerDestination, innerLength, innerSource } from './inner-packet.js';

const TYPE_INITIATION = 1;
const TYPE_RESPONSE = 2;
const TYPE_COOKIE_REPLY = 3;
const TYPE_DATA = 4;
const HANDSHAKE_LENGTHS: Readonly<Record<number, number>> = {
  [TYPE_INITIATION]: 148,
  [TYPE_RESPONSE]: 92,
  [TYPE_COOKIE_REPLY]: 64,
};
const DATA_HEADER_BYTES = 16;
const MIN_DATA_BYTES = 32;
const PADDING = 16;
const MAX_QUEUED_DATAGRAMS = 4096;
const MAX_QUEUED_GOSSIP = 1024;
const MIN_GOSSIP_BYTE = 0x80;
const MAX_GOSSIP_BYTES = 1400;
const UNDER_LOAD_DATAGRAMS = MAX_QUEUED_DATAGRAMS / 8;
const REKEY_AFTER_MESSAGES = 2 ** 60;

export interface FakeDataPlaneOptions {
  readonly network: FakeNetwork;
  /** The host's addresses on the network. */
  readonly addresses: readonly IpAddress[];
  readonly clock: { nowMs(): number };
  readonly cipher: FakeCipher;
  readonly interfaceName?: string;
  readonly mtu?: number;
}

export class FakeDataPlane implements DataPlane {
  readonly interfaceName: string;
  readonly stats = new FakePeerStats();
  /** Plaintext packets that left the tunnel, in order. */
  readonly delivered: Uint8Array[] = [];
  /** Called with each of them too. */
  onDelivered: (packet: Uint8Array) => void = () => {};
  firewallMark = 0;
  /** The last policy of each bond. */
  readonly bondPolicies = new Map<PeerId, BondPolicy>();
  readonly #options: FakeDataPlaneOptions;
  readonly #peers = new Map<PeerId, FakePeer>();
  readonly #byIndex = new Map<number, { peer: FakePeer; keypair: LiveKeypair }>();
  readonly #bonds = new Map<PeerId, readonly Path[]>();
  readonly #routes = new FakeRoutes();
  readonly #drops = new Map<string, bigint>();
  #socket: FakeSocket | null = null;
  #publicKey: Uint8Array | null = null;
  #events: ControlEvent[] = [];
  #datagrams: Datagram[] = [];
  #gossip: Datagram[] = [];
  #acceptsGossip = false;
  #onReadable: (() => void) | null = null;
  #told = false;
  #closed = false;

  constructor(options: FakeDataPlaneOptions) {
    this.#options = options;
    this.interfaceName = options.interfaceName ?? 'fake0';
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  // --- sockets

  listen(port: number): number {
    const { network, addresses } = this.#options;
    const earlier = this.#socket;
    if (earlier !== null) network.unbind(earlier);
    const chosen = port === 0 ? network.freePort(addresses) : port;
    if (!network.isFree(addresses, chosen)) {
      if (earlier !== null) network.bind(earlier);
      throw new WeftError('EADDRINUSE', `cannot listen on UDP port ${port}: it is in use`);
    }
    this.#socket = { addresses, port: chosen, receive: (datagram) => this.#receive(datagram) };
    network.bind(this.#socket);
    this.#clearSources();
    return chosen;
  }

  unlisten(): void {
    if (this.#socket !== null) this.#options.network.unbind(this.#socket);
    this.#socket = null;
  }

  setFirewallMark(mark: number): void {
    this.firewallMark = mark;
    this.#clearSources();
  }

  acceptGossip(tokenKey: Uint8Array | null): void {
    this.#acceptsGossip = tokenKey !== null;
  }

  /** Only messages under load need it, and the fake never limits any. */
  setCookieSecret(_secret: Uint8Array): void {}

  setPublicKey(publicKey: Uint8Array | null): void {
    this.#publicKey = publicKey;
  }

  // --- peers

  addPeer(id: PeerId): void {
    if (this.#peers.has(id)) throw new Error(`peer ${id} exists`);
    const peer = new FakePeer(id);
    this.#peers.set(id, peer);
    this.stats.open(id, peer.record);
  }

  removePeer(id: PeerId): void {
    const peer = this.#peer(id);
    this.#retire(peer.clearKeypairs());
    this.#routes.removePeer(id);
    this.#bonds.delete(id);
    this.bondPolicies.delete(id);
    this.#peers.delete(id);
    this.stats.close(id);
    this.#emit({ type: 'peer-removed', peer: id });
  }

  setEndpoint(id: PeerId, endpoint: Endpoint): void {
    const peer = this.#peer(id);
    peer.endpoint = endpoint;
    peer.source = null;
  }

  updateAllowedIps(id: PeerId, added: readonly Prefix[], removed: readonly Prefix[]): void {
    this.#peer(id);
    for (const prefix of added) this.#routes.insert(prefix, id);
    for (const prefix of removed) this.#routes.remove(prefix, id);
  }

  clearSource(id: PeerId): void {
    this.#peer(id).source = null;
  }

  clearUnanswered(id: PeerId): void {
    this.#peer(id).record.unansweredSinceMs = 0;
  }

  // --- keys

  installKeypair(id: PeerId, keypair: Keypair): void {
    const peer = this.#peer(id);
    this.#retire(peer.install(keypair));
    for (const live of peer.keypairs()) this.#byIndex.set(live.localIndex, { peer, keypair: live });
  }

  clearKeypairs(id: PeerId): void {
    this.#retire(this.#peer(id).clearKeypairs());
  }

  #retire(keypairs: readonly LiveKeypair[]): void {
    for (const { localIndex } of keypairs) {
      this.#byIndex.delete(localIndex);
      this.#emit({ type: 'keypair-retired', localIndex });
    }
  }

  // --- sending

  dropStaged(id: PeerId): void {
    const peer = this.#peer(id);
    for (const _ of peer.staged) this.#drop('staged');
    peer.staged = [];
    peer.record.owesKeepaliveSinceMs = 0;
  }

  sendKeepalive(id: PeerId): void {
    const peer = this.#peer(id);
    if (peer.endpoint === null) return;
    if (peer.staged.length === 0) peer.stage(new Uint8Array(0));
    this.#sendStaged(peer);
    peer.keepaliveSent(this.nowMs());
  }

  sendHandshake(id: PeerId, bytes: Uint8Array): void {
    const peer = this.#peer(id);
    if (peer.endpoint === null || this.#socket === null) return;
    peer.handshakeIndex = senderIndex(bytes);
    this.#send(peer.endpoint, peer.source, bytes);
    peer.noteSent(this.nowMs(), bytes.length);
  }

  handshakeReceived(id: PeerId, path: Path, length: number): void {
    const peer = this.#peer(id);
    this.#roam(peer, path);
    peer.noteReceived(this.nowMs(), length);
  }

  sendDatagram(path: Path, bytes: Uint8Array): void {
    this.#send(path.remote, path.local, bytes);
  }

  /** A plaintext packet enters the tunnel, as if read from the TUN. */
  inject(packet: Uint8Array): void {
    const destination = innerDestination(packet);
    const id = destination === null ? null : this.#routes.lookup(destination);
    const peer = id === null ? undefined : this.#peers.get(id);
    if (peer === undefined) {
      this.#drop('no_route');
      return;
    }
    if (peer.endpoint === null) {
      this.#drop('no_endpoint');
      return;
    }
    if (!peer.stage(packet)) this.#drop('staged_overflow');
    this.#sendStaged(peer);
  }

  #sendStaged(peer: FakePeer): void {
    if (this.#sendKey(peer) === null) {
      this.#emit({ type: 'handshake-needed', peer: peer.id });
      return;
    }
    const packets = peer.staged;
    peer.staged = [];
    for (const packet of packets) this.#sendData(peer, packet);
  }

  #sendKey(peer: FakePeer): LiveKeypair | null {
    const key = peer.current;
    return key !== null && this.nowMs() - key.createdMs < REJECT_AFTER_TIME_MS ? key : null;
  }

  #sendData(peer: FakePeer, packet: Uint8Array): void {
    const key = this.#sendKey(peer);
    if (key === null || peer.endpoint === null || this.#socket === null) {
      this.#drop('not_sendable');
      return;
    }
    const counter = key.sendCounter++;
    const padded = new Uint8Array(Math.ceil(packet.length / PADDING) * PADDING);
    padded.set(packet);
    const sealed = this.#options.cipher.seal(key.sendKey, counter, padded);
    const bytes = new Uint8Array(DATA_HEADER_BYTES + sealed.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, TYPE_DATA, true);
    view.setUint32(4, key.remoteIndex, true);
    view.setBigUint64(8, BigInt(counter), true);
    bytes.set(sealed, DATA_HEADER_BYTES);
    this.#send(peer.endpoint, peer.source, bytes);
    const nowMs = this.nowMs();
    peer.noteSent(nowMs, bytes.length);
    if (packet.length > 0) peer.noteDataSent(nowMs);
    const isOld = key.initiator && nowMs - key.createdMs > REKEY_AFTER_TIME_MS;
    if (isOld || counter > REKEY_AFTER_MESSAGES) {
      this.#emit({ type: 'handshake-needed', peer: peer.id });
    }
  }

  #send(to: Endpoint, source: IpAddress | null, bytes: Uint8Array): void {
    const { network, addresses } = this.#options;
    const sameFamily = addresses.find((own) => own.length === to.address.length);
    const address = source ?? sameFamily;
    if (this.#socket === null || address === undefined) {
      this.#drop('not_sendable');
      return;
    }
    network.send({ from: { address, port: this.#socket.port, scopeId: 0 }, to, bytes });
  }

  // --- receiving

  #receive({ from, to, bytes }: FakeDatagram): void {
    const type =
      bytes.length >= 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : 0;
    const path: Path = { remote: from, local: to.address, interfaceIndex: 1 };
    if (type === TYPE_DATA) {
      this.#receiveData(path, bytes);
      return;
    }
    if (bytes.length >= 4 && (bytes[0] ?? 0) >= MIN_GOSSIP_BYTE && this.#acceptsGossip) {
      this.#receiveGossip(path, bytes);
      return;
    }
    if (bytes.length !== HANDSHAKE_LENGTHS[type]) {
      this.#drop('malformed');
      return;
    }
    if (this.#publicKey === null) {
      this.#drop('bad_mac1');
      return;
    }
    const hasMac1 = type !== TYPE_COOKIE_REPLY;
    if (!hasMac1 && !this.#awaitsAnswer(senderIndex(bytes))) {
      this.#drop('unknown_index');
      return;
    }
    if (hasMac1 && !this.#options.cipher.verifyMac1(this.#publicKey, bytes)) {
      this.#drop('bad_mac1');
      return;
    }
    if (this.#datagrams.length >= MAX_QUEUED_DATAGRAMS) {
      this.#drop('handshake_overflow');
      return;
    }
    this.#datagrams.push({ path, bytes });
    this.#tell();
  }

  #receiveGossip(path: Path, bytes: Uint8Array): void {
    if (bytes.length > MAX_GOSSIP_BYTES) {
      this.#drop('malformed');
    } else if (this.#gossip.length >= MAX_QUEUED_GOSSIP) {
      this.#drop('gossip_queue_full');
    } else {
      this.#gossip.push({ path, bytes });
      this.#tell();
    }
  }

  /** A cookie reply must name the index of the last handshake message sent to some peer. */
  #awaitsAnswer(index: number): boolean {
    return [...this.#peers.values()].some((peer) => peer.handshakeIndex === index);
  }

  #receiveData(path: Path, bytes: Uint8Array): void {
    if (bytes.length < MIN_DATA_BYTES) {
      this.#drop('malformed');
      return;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const found = this.#byIndex.get(view.getUint32(4, true));
    if (found === undefined) {
      this.#drop('unknown_index');
      return;
    }
    const { peer, keypair } = found;
    const nowMs = this.nowMs();
    if (nowMs - keypair.createdMs >= REJECT_AFTER_TIME_MS) {
      this.#drop('expired_key');
      return;
    }
    const counter = Number(view.getBigUint64(8, true));
    const sealed = bytes.subarray(DATA_HEADER_BYTES);
    const packet = this.#options.cipher.open(keypair.receiveKey, counter, sealed);
    if (packet === null) {
      this.#drop('not_authentic');
      return;
    }
    if (keypair.received.has(counter)) {
      this.#drop('replayed');
      return;
    }
    keypair.received.add(counter);
    this.#roam(peer, path);
    peer.noteReceived(nowMs, bytes.length);
    if (keypair === peer.next) this.#promoteNext(peer);
    this.#renewOnReceive(peer, keypair, nowMs);
    if (packet.length > 0) this.#deliver(peer, packet, nowMs);
  }

  #deliver(peer: FakePeer, packet: Uint8Array, nowMs: number): void {
    peer.noteDataReceived(nowMs);
    const source = innerSource(packet);
    const length = innerLength(packet);
    if (source === null || length === null) {
      this.#drop('malformed_inner');
      return;
    }
    if (this.#routes.lookup(source) !== peer.id) {
      this.#drop('source_not_allowed');
      return;
    }
    const inner = packet.slice(0, length);
    this.delivered.push(inner);
    this.onDelivered(inner);
  }

  #promoteNext(peer: FakePeer): void {
    this.#retire(peer.promoteNext());
    this.#emit({ type: 'keypair-confirmed', peer: peer.id });
    if (peer.staged.length > 0) this.#sendStaged(peer);
  }

  #renewOnReceive(peer: FakePeer, keypair: LiveKeypair, nowMs: number): void {
    if (!keypair.initiator || keypair.renewalAsked || keypair !== peer.current) return;
    if (nowMs - keypair.createdMs <= REKEY_ON_RECEIVE_MS) return;
    keypair.renewalAsked = true;
    this.#emit({ type: 'handshake-needed', peer: peer.id });
  }

  #roam(peer: FakePeer, path: Path): void {
    const { endpoint } = peer;
    peer.source = path.local;
    if (endpoint !== null && sameEndpoint(endpoint, path.remote)) return;
    peer.endpoint = path.remote;
    this.#emit({ type: 'endpoint-changed', peer: peer.id, endpoint: path.remote });
  }

  // --- the control channel

  /** As `ip link set up` or `down` would. */
  setLink(up: boolean): void {
    this.#emit({ type: 'link-changed', up, mtu: this.#options.mtu ?? 1420 });
  }

  /** As `ip link delete` would. */
  deleteLink(): void {
    this.#emit({ type: 'link-gone' });
  }

  // --- bonds: told back as they were asked for; the fake sends by the peer's endpoint only

  setBond(id: PeerId, ways: readonly Path[] | null): void {
    this.#peer(id);
    if (ways === null) this.#bonds.delete(id);
    else this.#bonds.set(id, ways);
  }

  setBondPolicy(id: PeerId, policy: BondPolicy): void {
    this.#peer(id);
    this.bondPolicies.set(id, policy);
  }

  bondStatus(id: PeerId): BondStatus | null {
    const ways = this.#bonds.get(id);
    return ways === undefined ? null : fakeBondStatus(ways);
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  start(onReadable: () => void): void {
    this.#onReadable = onReadable;
    if (this.#events.length + this.#datagrams.length + this.#gossip.length > 0) this.#tell();
  }

  read(maxDatagrams: number): ControlBatch {
    this.#told = false;
    const events = this.#events;
    this.#events = [];
    const underLoad = this.#datagrams.length >= UNDER_LOAD_DATAGRAMS;
    const gossipShare = Math.min(Math.floor(maxDatagrams / 2), this.#gossip.length);
    const datagrams = this.#datagrams.splice(0, maxDatagrams - gossipShare);
    datagrams.push(...this.#gossip.splice(0, maxDatagrams - datagrams.length));
    return { events, datagrams, backlog: this.#datagrams.length + this.#gossip.length, underLoad };
  }

  drops(): Readonly<Record<string, bigint>> {
    return Object.fromEntries(this.#drops);
  }

  engineCounters(): Readonly<Record<string, bigint>> {
    return {};
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.unlisten();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  #emit(event: ControlEvent): void {
    this.#events.push(event);
    this.#tell();
  }

  /** Never from within the call that caused it: the other side of the boundary is another thread. */
  #tell(): void {
    if (this.#told || this.#onReadable === null) return;
    this.#told = true;
    queueMicrotask(this.#onReadable);
  }

  #drop(reason: string): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0n) + 1n);
  }

  #clearSources(): void {
    for (const peer of this.#peers.values()) peer.source = null;
  }

  #peer(id: PeerId): FakePeer {
    const peer = this.#peers.get(id);
    if (peer === undefined) throw new Error(`no peer ${id}`);
    return peer;
  }
}

/** The word after the type: whose index it is depends on the type. */
function senderIndex(message: Uint8Array): number {
  if (message.length < 8) return 0;
  return new DataView(message.buffer, message.byteOffset).getUint32(4, true);
}
