// Endpoints as the mesh compares them, and where others say that this node is seen.

import { sameEndpoint } from '../core/network.js';
import type { Endpoint } from '../core/types.js';
import type { NodeId } from './types.js';

/** Members whose word is kept, the latest. */
const MAX_REPORTERS = 32;
/** One alone may err, or lie. */
const AGREEING_REPORTERS = 2;

/** Usable as a Map key. */
function endpointKey({ address, port, scopeId }: Endpoint): string {
  return `${address.join('.')}:${port}%${scopeId}`;
}

/**
 * Whether a member may name it as its own: not this host itself, not a link without its scope, not an IPv4 address in IPv6
 * disguise (RFC 6890; RFC 4291, 2.5). Private addresses are others' LANs as well as ours, and may be tried.
 */
export function isContactable({ address }: Endpoint): boolean {
  const [first = 0, second = 0] = address;
  if (address.length === 4) return first !== 127 && !(first === 169 && second === 254);
  const isLinkLocal = first === 0xfe && (second & 0xc0) === 0x80;
  const isEmbedded = address.slice(0, 8).every((byte) => byte === 0);
  return !isLinkLocal && !isEmbedded;
}

/** Without repetitions, at most `max`. */
export function distinctEndpoints(endpoints: readonly Endpoint[], max: number): Endpoint[] {
  const byKey = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const key = endpointKey(endpoint);
    if (byKey.size < max && !byKey.has(key)) byKey.set(key, endpoint);
  }
  return [...byKey.values()];
}

/** Where other members see our datagrams come from. What two of them agree on is believed. */
export class ObservedEndpoints {
  readonly #byReporter = new Map<NodeId, Endpoint>();

  /** True if what is agreed on may have changed. */
  report(reporter: NodeId, endpoint: Endpoint): boolean {
    let replaced = this.#byReporter.get(reporter);
    this.#byReporter.delete(reporter);
    this.#byReporter.set(reporter, endpoint);
    if (this.#byReporter.size > MAX_REPORTERS) {
      const [oldest] = this.#byReporter;
      if (oldest !== undefined) {
        replaced = oldest[1];
        this.#byReporter.delete(oldest[0]);
      }
    }
    return replaced === undefined || !sameEndpoint(replaced, endpoint);
  }

  /** Seen by at least two, most often seen first. */
  agreed(): Endpoint[] {
    const seen = new Map<string, { endpoint: Endpoint; count: number }>();
    for (const endpoint of this.#byReporter.values()) {
      const key = endpointKey(endpoint);
      const entry = seen.get(key);
      if (entry === undefined) seen.set(key, { endpoint, count: 1 });
      else entry.count++;
    }
    return [...seen.values()]
      .filter(({ count }) => count >= AGREEING_REPORTERS)
      .sort((a, b) => b.count - a.count)
      .map(({ endpoint }) => endpoint);
  }

  /** Our addresses have changed: what was seen before says nothing now. */
  clear(): void {
    this.#byReporter.clear();
  }
}
