// Values shared by every ring: keys, addresses, prefixes, peer ids. Imports nothing.

declare const brand: unique symbol;

/** A Curve25519 public key as 64 lower-case hex digits: usable as a Map key and as the UAPI writes it. */
export type PublicKey = string & { readonly [brand]: 'PublicKey' };

/** Slot of a peer in the data plane's tables, 0 .. MAX_PEERS - 1. Reused only after the data plane let go of it. */
export type PeerId = number & { readonly [brand]: 'PeerId' };

export const MAX_PEERS = 1 << 17;

/** An IP address in network order: 4 bytes (IPv4) or 16 bytes (IPv6). */
export type IpAddress = Uint8Array;

/** A UDP endpoint. `scopeId` is the interface index of a link-local IPv6 address, else 0. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
  readonly scopeId: number;
}

/** The way a datagram took: where it came from, and the local address and interface it arrived on. */
export interface Path {
  readonly remote: Endpoint;
  /** Destination address of the received datagram; null lets the kernel choose the source of a reply. */
  readonly local: IpAddress | null;
  /** Interface index the datagram arrived on; 0 = any. */
  readonly interfaceIndex: number;
}

/** An IP prefix with its host bits zero. `length` is 0..32 or 0..128. */
export interface Prefix {
  readonly address: IpAddress;
  readonly length: number;
}

/** A datagram received from the network, not yet authenticated. */
export interface Datagram {
  readonly path: Path;
  readonly bytes: Uint8Array;
}

/** Transport keys of one session (whitepaper 5.4.5). The receiver wipes nothing: the owner of the arrays does. */
export interface Keypair {
  /** Our index: what the peer writes into the receiver field. */
  readonly localIndex: number;
  /** The peer's index: what we write into the receiver field. */
  readonly remoteIndex: number;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** True if we sent the initiation. */
  readonly initiator: boolean;
  /** Birth on the data plane's clock, milliseconds. */
  readonly createdMs: number;
}

/**
 * What the data plane knows of a peer, read from shared memory without a call. Times are milliseconds on
 * the data plane's clock (CLOCK_BOOTTIME); 0 means never, or not pending.
 */
export interface PeerStats {
  txBytes(id: PeerId): bigint;
  rxBytes(id: PeerId): bigint;
  /** Last authenticated packet sent: data, keepalive or handshake. */
  lastSentMs(id: PeerId): number;
  /** Last authenticated packet received: data, keepalive or handshake. */
  lastReceivedMs(id: PeerId): number;
  lastDataSentMs(id: PeerId): number;
  lastDataReceivedMs(id: PeerId): number;
  /** When data was first sent with nothing authenticated received since (the new-handshake timer's start). */
  unansweredSinceMs(id: PeerId): number;
  /** When data was first received with nothing authenticated sent since (the passive keepalive's start). */
  owesKeepaliveSinceMs(id: PeerId): number;
}
