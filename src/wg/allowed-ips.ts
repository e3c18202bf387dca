// Which peer has which allowed IP: exact prefixes only, as configured and as shown. The longest-prefix lookup of packets
// is the data plane's (native/src/routing), which gets each change as an effect.

import type { Prefix } from '../core/types.js';

/** The prefixes of one peer in the order they were set. Changed only through AllowedIps. */
export type PrefixSet = Map<PrefixKey, Prefix>;
type PrefixKey = number | string;

/** Every prefix belongs to one owner at most. */
export class AllowedIps<Owner extends { readonly prefixes: PrefixSet }> {
  readonly #owners = new Map<PrefixKey, Owner>();

  get size(): number {
    return this.#owners.size;
  }

  /**
   * Gives a prefix to `owner`, taking it from whoever has it. Host bits are masked.
   * @returns the prefix as stored, or null if the owner had it already
   */
  insert(owner: Owner, prefix: Prefix): Prefix | null {
    const masked = maskHostBits(prefix);
    const key = prefixKey(masked);
    const before = this.#owners.get(key);
    before?.prefixes.delete(key);
    owner.prefixes.set(key, masked);
    if (before === owner) return null;
    this.#owners.set(key, owner);
    return masked;
  }

  /** @returns the prefix as it was stored, or null if it is not this owner's */
  remove(owner: Owner, prefix: Prefix): Prefix | null {
    const masked = maskHostBits(prefix);
    const key = prefixKey(masked);
    if (this.#owners.get(key) !== owner) return null;
    this.#owners.delete(key);
    owner.prefixes.delete(key);
    return masked;
  }

  /** @returns what the owner had */
  removeAll(owner: Owner): Prefix[] {
    const removed = [...owner.prefixes.values()];
    for (const key of owner.prefixes.keys()) this.#owners.delete(key);
    owner.prefixes.clear();
    return removed;
  }
}

/** The prefix itself if no host bit is set, as in most configurations: copying 100,000 would show. */
function maskHostBits(prefix: Prefix): Prefix {
  const { address, length } = prefix;
  const cutByte = length >> 3;
  const cutMask = 0xff00 >> (length & 7);
  const keep = (byte: number, i: number) =>
    i < cutByte ? byte : i === cutByte ? byte & cutMask : 0;
  if (address.every((byte, i) => keep(byte, i) === byte)) return prefix;
  return { address: address.map(keep), length };
}

/** A number for IPv4, a string for IPv6: each distinct for distinct prefixes, and cheap to hash. */
function prefixKey({ address, length }: Prefix): PrefixKey {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  if (address.length === 4) return view.getUint32(0) * 64 + length;
  return String.fromCharCode(
    length,
    view.getUint16(0),
    view.getUint16(2),
    view.getUint16(4),
    view.getUint16(6),
    view.getUint16(8),
    view.getUint16(10),
    view.getUint16(12),
    view.getUint16(14),
  );
}
