// Mesh addresses from identities, and who has an address that two claim. Pure: every member comes to the same answer.
//
//   IPv6  fd | 40 bits of hash(mesh id) | 16 zero bits | 64 bits of hash(identity)      (RFC 4193, one /48 a mesh)
//   IPv4  prefix | hash(identity, counter), never the network, its first address, or broadcast

import { formatAddress } from '../core/address.js';
import type { Crypto } from '../core/crypto.js';
import { contains } from '../core/network.js';
import type { IpAddress, Prefix } from '../core/types.js';
import { Writer } from '../wire/writer.js';
import { NODE_ID_BYTES, publicKeyOf } from './identity.js';
import type { MemberRecord, NodeId } from './types.js';

type Hash = Pick<Crypto, 'hash'>;

const ULA = 0xfd;
const V6_HOST_OFFSET = 8;
/** Network, first address (routers like it) and broadcast. */
const RESERVED_V4_HOSTS = 3;
const MAX_V4_PREFIX_LENGTH = 30;
/** Ranks of claims that were given: before the counters of derived ones. */
const PINNED_RANK = -2;
const DEVICE_RANK = -1;

const MESH_LABEL = label('weft/address/mesh/1\0');
const V6_LABEL = label('weft/address/6/1\0');
const V4_LABEL = label('weft/address/4/1\0');
const CLAIM_LABEL = label('weft/address/claim/1\0');

function label(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The mesh's /48. */
export function meshPrefixV6(hash: Hash, meshId: Uint8Array): Prefix {
  const address = new Uint8Array(16);
  address[0] = ULA;
  address.set(hash.hash(MESH_LABEL, meshId).subarray(0, 5), 1);
  return { address, length: 48 };
}

export function deriveV6(hash: Hash, meshId: Uint8Array, id: NodeId): IpAddress {
  const { address } = meshPrefixV6(hash, meshId);
  const host = hash.hash(V6_LABEL, publicKeyOf(id)).subarray(0, 16 - V6_HOST_OFFSET);
  address.set(host, V6_HOST_OFFSET);
  return address;
}

/** True if nodes can have addresses in it: IPv4, and room for at least one. */
export function isV4MeshPrefix(prefix: Prefix): boolean {
  return prefix.address.length === 4 && prefix.length <= MAX_V4_PREFIX_LENGTH;
}

/**
 * @param counter 0, and a higher one after each lost conflict
 * @throws RangeError unless `isV4MeshPrefix(prefix)`
 */
export function deriveV4(hash: Hash, prefix: Prefix, id: NodeId, counter: number): IpAddress {
  if (!isV4MeshPrefix(prefix)) throw new RangeError('A mesh prefix is IPv4, /30 or shorter');
  const input = new Writer(NODE_ID_BYTES + 4).put(publicKeyOf(id)).u32(counter).bytes;
  // 48 bits: what a number holds, and far more than the bias of the modulo could show in
  let sample = 0;
  for (const byte of hash.hash(V4_LABEL, input).subarray(0, 6)) sample = sample * 256 + byte;
  const usable = 2 ** (32 - prefix.length) - RESERVED_V4_HOSTS;
  const host = 2 + (sample % usable);
  const view = new DataView(new ArrayBuffer(4));
  for (let i = 0; i < 4; i++) view.setUint8(i, prefix.address[i] ?? 0);
  view.setUint32(0, view.getUint32(0) + host);
  return new Uint8Array(view.buffer);
}

/** IPv4 addresses of plain devices behind a node, as `weft export` makes them: it offers a host route to each. */
export function hostRoutes({ routes }: Pick<MemberRecord, 'routes'>): IpAddress[] {
  return routes
    .filter(({ address, length }) => address.length === 4 && length === 32)
    .map(({ address }) => address);
}

/** A member's claim: what its record says, and what its certificate gives it. */
export interface AddressClaim {
  readonly id: NodeId;
  readonly record: Pick<MemberRecord, 'addresses' | 'addressCounter' | 'routes'>;
  /** Its own, and those of plain devices behind it. */
  readonly pinned: readonly IpAddress[];
  /** Who was trusted earlier has less: `seniorityOf` its certificate, 0 without one. */
  readonly since: number;
}

export interface AddressTable {
  /** By `addressKey`. Of a plain device's address a node that it is behind. */
  readonly owners: ReadonlyMap<string, NodeId>;
  /** What each member may use: its claims without those it lost, in the record's order. */
  readonly granted: ReadonlyMap<NodeId, readonly IpAddress[]>;
  /** Those that lost an IPv4 address of their own: each derives the next free one. In order of id. */
  readonly losers: readonly NodeId[];
}

/** An address as a Map key. */
export function addressKey(address: IpAddress): string {
  return formatAddress(address);
}

/**
 * One owner for each claimed address, the same at every member that knows the same claims: a pinned address wins over one
 * of a plain device, that over a derived one, a lower counter over a higher one (nobody takes an address by deriving until
 * it fits), who was trusted earlier over who came later (nor by making identities until one fits), and then the smallest
 * hash(id | address). IPv4 claims outside `prefix` hold only if they are pinned.
 * @param members those that may hold addresses, this node among them; a member that left is not
 * @param prefix of the mesh; null = no IPv4
 */
export function resolveAddresses(
  hash: Hash,
  members: Iterable<AddressClaim>,
  prefix: Prefix | null,
): AddressTable {
  const best = new Map<string, Contender>();
  const claims: { id: NodeId; address: IpAddress; key: string }[] = [];
  const enter = (key: string, contender: Contender) => {
    const holder = best.get(key);
    if (holder === undefined || contender.beats(holder)) best.set(key, contender);
  };
  for (const { id, record, pinned, since } of members) {
    const given = pinned.map(addressKey);
    for (const address of record.addresses) {
      const key = addressKey(address);
      const isPinned = given.includes(key);
      const inMesh = address.length === 16 || (prefix !== null && contains(prefix, address));
      if (!isPinned && !inMesh) continue;
      claims.push({ id, address, key });
      const rank = isPinned ? PINNED_RANK : record.addressCounter;
      enter(key, new Contender(hash, id, address, rank, since));
    }
    for (const address of hostRoutes(record)) {
      const key = addressKey(address);
      if (given.includes(key)) enter(key, new Contender(hash, id, address, DEVICE_RANK, since));
    }
  }
  const owners = new Map<string, NodeId>();
  for (const [key, { id }] of best) owners.set(key, id);
  const granted = new Map<NodeId, IpAddress[]>();
  const losers = new Set<NodeId>();
  for (const { id, address, key } of claims) {
    let own = granted.get(id);
    if (own === undefined) {
      own = [];
      granted.set(id, own);
    }
    if (owners.get(key) === id) own.push(address);
    else if (address.length === 4) losers.add(id);
  }
  return { owners, granted, losers: [...losers].sort() };
}

class Contender {
  readonly id: NodeId;
  readonly #hash: Hash;
  readonly #address: IpAddress;
  /** The counter of a derived address. */
  readonly #rank: number;
  readonly #since: number;

  constructor(hash: Hash, id: NodeId, address: IpAddress, rank: number, since: number) {
    this.#hash = hash;
    this.id = id;
    this.#address = address;
    this.#rank = rank;
    this.#since = since;
  }

  beats(other: Contender): boolean {
    if (this.#rank !== other.#rank) return this.#rank < other.#rank;
    if (this.#since !== other.#since) return this.#since < other.#since;
    const order = compareBytes(this.#weight(), other.#weight());
    return order !== 0 ? order < 0 : this.id < other.id;
  }

  #weight(): Uint8Array {
    return this.#hash.hash(CLAIM_LABEL, publicKeyOf(this.id), this.#address);
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
