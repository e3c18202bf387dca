// The allowed IPs of the fake data plane: longest prefix by trying every length. The native one is routing/allowed_ips.

import type { IpAddress, PeerId, Prefix } from '../core/types.js';

/** Address with all bits after `length` zero, as a map key that tells families and lengths apart. */
function keyOf(address: IpAddress, length: number): string {
  let key = `${address.length}/${length}:`;
  for (const [i, byte] of address.entries()) {
    const kept = Math.min(8, Math.max(0, length - 8 * i));
    key += String.fromCharCode(byte & (0xff00 >> kept));
  }
  return key;
}

export class FakeRoutes {
  readonly #owners = new Map<string, PeerId>();

  insert(prefix: Prefix, owner: PeerId): void {
    this.#owners.set(keyOf(prefix.address, prefix.length), owner);
  }

  /** Only if it is this owner's. */
  remove(prefix: Prefix, owner: PeerId): void {
    const key = keyOf(prefix.address, prefix.length);
    if (this.#owners.get(key) === owner) this.#owners.delete(key);
  }

  removePeer(owner: PeerId): void {
    for (const [key, id] of this.#owners) {
      if (id === owner) this.#owners.delete(key);
    }
  }

  lookup(address: IpAddress): PeerId | null {
    for (let length = address.length * 8; length >= 0; length--) {
      const owner = this.#owners.get(keyOf(address, length));
      if (owner !== undefined) return owner;
    }
    return null;
  }
}
