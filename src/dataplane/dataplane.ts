// The one boundary between the control plane and the data plane: types only. Everything that crosses is here.
// native.ts implements it on the addon, fake.ts in memory; test/compliance runs one suite on both.

import type { BondPolicy, BondStatus } from '../core/bond.js';
import type {
  Datagram,
  Endpoint,
  Keypair,
  Path,
  PeerId,
  PeerStats,
  Prefix,
} from '../core/types.js';

export interface DataPlane {
  /** Name of the TUN interface, as the kernel gave it. */
  readonly interfaceName: string;
  /** Per-peer counters and times in shared memory. */
  readonly stats: PeerStats;
  /** The data plane's clock: CLOCK_BOOTTIME in milliseconds. */
  nowMs(): number;

  /**
   * Binds IPv4 and IPv6 sockets to one UDP port (0: any free one) and sends from them; replaces earlier ones and
   * clears every cached source address. A host without IPv6 gets IPv4 alone.
   * @returns the port
   * @throws WeftError code EADDRINUSE, EACCES or another errno name; the earlier sockets stay
   */
  listen(port: number): number;
  /** Closes the sockets: nothing is sent or received until listen(). */
  unlisten(): void;
  /** SO_MARK of the sockets, now and after each listen(); 0 = none. Clears every cached source address. */
  setFirewallMark(mark: number): void;
  /** Our static public key: handshake messages whose mac1 does not match are dropped below; null drops all. */
  setPublicKey(publicKey: Uint8Array | null): void;
  /**
   * What cookies are made with from now on, so that under load messages without a good mac2 are limited below.
   * @param secret 32 bytes, copied
   */
  setCookieSecret(secret: Uint8Array): void;
  /**
   * Whether datagrams whose first byte is 0x80 or more (the mesh's own messages, at most 1,400 bytes) come up through
   * read(), in a bounded queue of their own and at a bounded rate. At first they are dropped as malformed.
   * @param tokenKey 32 bytes, copied: cookies, accepts and data whose token is not ours by it may be dropped
   * (docs/protocol.md, "Gossip"). Null: not
   */
  acceptGossip(tokenKey: Uint8Array | null): void;

  /** Creates a peer with nothing set and zero counters. The id must be free. */
  addPeer(id: PeerId): void;
  /** Forgets the peer with its routes, keys and staged packets; PeerRemoved then frees the id. */
  removePeer(id: PeerId): void;
  /** Where to send; clears the cached source address. */
  setEndpoint(id: PeerId, endpoint: Endpoint): void;
  /** Adds prefixes (one that another peer has moves here) and removes those of this peer. */
  updateAllowedIps(id: PeerId, added: readonly Prefix[], removed: readonly Prefix[]): void;

  /**
   * Installs transport keys. Initiator: becomes `current`, the old current `previous`. Responder: becomes `next`, and
   * is promoted by the first packet that authenticates under it (KeypairConfirmed). Replaced keys are retired.
   */
  installKeypair(id: PeerId, keypair: Keypair): void;
  /** Wipes all keys of the peer. */
  clearKeypairs(id: PeerId): void;
  /** Drops the packets that wait for a key, and any keepalive owed (REKEY_ATTEMPT_TIME is over). */
  dropStaged(id: PeerId): void;
  /** Sends what is staged, or an empty packet if nothing is; without a usable key asks for a handshake. */
  sendKeepalive(id: PeerId): void;
  /** Forgets the cached local source address of the peer (a handshake went unanswered). */
  clearSource(id: PeerId): void;
  /** Restarts PeerStats.unansweredSinceMs from the next data packet (the new-handshake timer fired). */
  clearUnanswered(id: PeerId): void;

  /**
   * Sends a handshake message to the peer's endpoint; counts it as an authenticated packet sent. Nothing happens if
   * the peer has no endpoint.
   */
  sendHandshake(id: PeerId, bytes: Uint8Array): void;
  /** A handshake message of `length` bytes from this peer authenticated: roam, count, mark as received. */
  handshakeReceived(id: PeerId, path: Path, length: number): void;
  /** Sends a datagram that belongs to no peer (a cookie reply, gossip) along a path. */
  sendDatagram(path: Path, bytes: Uint8Array): void;

  /**
   * Uses several uplinks to the peer, if it does the same: the ways to be tried, each with its local address and
   * interface; replaces the earlier list. null: one path and nothing but standard WireGuard, as at first.
   */
  setBond(id: PeerId, ways: readonly Path[] | null): void;
  /** How the paths of a bond are used; at first all, by earliest delivery. Without a bond nothing happens. */
  setBondPolicy(id: PeerId, policy: BondPolicy): void;
  /** The paths of a peer's bond as they are now; null: it has none. */
  bondStatus(id: PeerId): BondStatus | null;

  /** Resolves when all earlier calls have taken effect. */
  sync(): Promise<void>;
  /** Starts the threads. `onReadable` is called (once until the next read) when read() has something. */
  start(onReadable: () => void): void;
  /** Takes all events and at most `maxDatagrams` datagrams. */
  read(maxDatagrams: number): ControlBatch;
  /** Packets dropped since the start, by reason. */
  drops(): Readonly<Record<string, bigint>>;
  /** Engine counters since the start: packets, batches, system calls, merge sizes. */
  engineCounters(): Readonly<Record<string, bigint>>;
  /** Stops the threads, closes the sockets and the TUN. */
  close(): Promise<void>;
}

export interface ControlBatch {
  readonly events: readonly ControlEvent[];
  readonly datagrams: readonly Datagram[];
  /** Datagrams that still wait; the caller reads again soon. */
  readonly backlog: number;
  /** Handshake messages came faster than is good: ask for cookies (whitepaper 5.3). */
  readonly underLoad: boolean;
}

export type ControlEvent =
  /** There is something to send, and no key, or one that is due for renewal. */
  | { readonly type: 'handshake-needed'; readonly peer: PeerId }
  /** The first packet under a responder's `next` key authenticated: it is `current` now. */
  | { readonly type: 'keypair-confirmed'; readonly peer: PeerId }
  /** An authenticated packet came from another endpoint. */
  | { readonly type: 'endpoint-changed'; readonly peer: PeerId; readonly endpoint: Endpoint }
  /** The data plane wiped a key: its local index may be reused. */
  | { readonly type: 'keypair-retired'; readonly localIndex: number }
  | { readonly type: 'peer-removed'; readonly peer: PeerId }
  /** The interface went up or down, or its MTU changed. */
  | { readonly type: 'link-changed'; readonly up: boolean; readonly mtu: number }
  /** The interface was deleted, or the TUN failed: the node must stop. */
  | { readonly type: 'link-gone' };
