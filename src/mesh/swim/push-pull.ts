// Push/pull by digests: two members find out what they know differently, at a cost that grows with the difference and
// not with what they know. Pure: push-pull messages are exchanged by ../synchroniser.ts.
//
//   digest (hash of all) -> buckets (a hash of each) -> pages (the entries of those that differ) -> what differs

import { toHex } from '../../core/hex.js';

export const BUCKETS = 128;
/** Bytes of a bucket's hash: those of all buckets fit into a datagram. */
const BUCKET_HASH_BYTES = 6;
const ROOT_HASH_BYTES = 16;
/** key (8) | version u32 LE | rank u8 */
const ENTRY_BYTES = 13;
/** Bytes of one key. */
export const DIGEST_KEY_BYTES = 8;
/** Entries of a bucket that are sent and compared at a time: a page fits into a datagram. With 4,096 members there are 32 on average. */
const MAX_PAGE_ENTRIES = 84;

interface Bucket {
  /** Entries by key. */
  readonly entries: Map<string, Uint8Array>;
  /** All entries in the order of their keys, and their hash; null after a change. */
  page: Uint8Array | null;
  hash: Uint8Array | null;
}

export interface Differences {
  /** Keys that we know newer, or alone. */
  readonly ours: string[];
  /** Keys that they know newer, or alone: raw, as a `want` asks for them. */
  readonly theirs: Uint8Array[];
}

/** A set of (key, version, rank). Of two entries with the same key the one with the higher version, then rank, is newer. */
export class StateDigest {
  readonly #hash: (...parts: readonly Uint8Array[]) => Uint8Array;
  readonly #buckets: Bucket[];
  #root: Uint8Array | null = null;

  /** @param hash at least 16 bytes */
  constructor(hash: (...parts: readonly Uint8Array[]) => Uint8Array) {
    this.#hash = hash;
    this.#buckets = Array.from({ length: BUCKETS }, () => ({
      entries: new Map(),
      page: null,
      hash: null,
    }));
  }

  /** @param key 8 bytes, evenly distributed */
  set(key: Uint8Array, version: number, rank: number): void {
    const entry = new Uint8Array(ENTRY_BYTES);
    entry.set(key.subarray(0, DIGEST_KEY_BYTES));
    const view = new DataView(entry.buffer);
    view.setUint32(DIGEST_KEY_BYTES, version, true);
    entry[ENTRY_BYTES - 1] = rank;
    const bucket = this.#bucketOf(key);
    bucket.entries.set(toHex(key.subarray(0, DIGEST_KEY_BYTES)), entry);
    this.#changed(bucket);
  }

  delete(key: Uint8Array): void {
    const bucket = this.#bucketOf(key);
    if (bucket.entries.delete(toHex(key.subarray(0, DIGEST_KEY_BYTES)))) this.#changed(bucket);
  }

  /** 16 bytes: equal at two members that know the same. */
  root(): Uint8Array {
    this.#root ??= this.#hash(this.bucketHashes()).slice(0, ROOT_HASH_BYTES);
    return this.#root;
  }

  /** 128 x 6 bytes. */
  bucketHashes(): Uint8Array {
    const hashes = new Uint8Array(BUCKETS * BUCKET_HASH_BYTES);
    for (const [i, bucket] of this.#buckets.entries()) {
      if (bucket.entries.size === 0) continue;
      bucket.hash ??= this.#hash(pageOf(bucket)).slice(0, BUCKET_HASH_BYTES);
      hashes.set(bucket.hash, i * BUCKET_HASH_BYTES);
    }
    return hashes;
  }

  /** Indices of the buckets whose hash is another; none if `hashes` is malformed. */
  differing(hashes: Uint8Array): number[] {
    const ours = this.bucketHashes();
    if (hashes.length !== ours.length) return [];
    const differing: number[] = [];
    for (let i = 0; i < BUCKETS; i++) {
      const start = i * BUCKET_HASH_BYTES;
      const theirs = hashes.subarray(start, start + BUCKET_HASH_BYTES);
      if (!theirs.every((byte, at) => byte === ours[start + at])) differing.push(i);
    }
    return differing;
  }

  /**
   * The entries of a bucket; of more than fit into a datagram a part.
   * @param pick which of so many parts, at random: all of them come up in time
   */
  page(index: number, pick: (parts: number) => number): Uint8Array {
    const bucket = this.#buckets[index];
    if (bucket === undefined) return new Uint8Array(0);
    const parts = Math.ceil(bucket.entries.size / MAX_PAGE_ENTRIES);
    if (parts <= 1) return pageOf(bucket);
    // The last part is as long as the others: a shorter page would say that there is nothing else.
    const start = Math.min(pick(parts) * MAX_PAGE_ENTRIES, bucket.entries.size - MAX_PAGE_ENTRIES);
    return pageOf(bucket).subarray(start * ENTRY_BYTES, (start + MAX_PAGE_ENTRIES) * ENTRY_BYTES);
  }

  /** Null if `page` is malformed. */
  compare(index: number, page: Uint8Array): Differences | null {
    const bucket = this.#buckets[index];
    if (bucket === undefined || page.length % ENTRY_BYTES !== 0) return null;
    if (page.length > MAX_PAGE_ENTRIES * ENTRY_BYTES) return null;
    const differences: Differences = { ours: [], theirs: [] };
    const seen = new Set<string>();
    let last = '';
    for (let at = 0; at < page.length; at += ENTRY_BYTES) {
      const theirs = page.subarray(at, at + ENTRY_BYTES);
      const key = toHex(theirs.subarray(0, DIGEST_KEY_BYTES));
      if (key <= last) return null;
      last = key;
      seen.add(key);
      const ours = bucket.entries.get(key);
      const order = ours === undefined ? -1 : compareEntries(ours, theirs);
      if (order < 0) differences.theirs.push(theirs.slice(0, DIGEST_KEY_BYTES));
      else if (order > 0) differences.ours.push(key);
    }
    // A full page says nothing of what lies before and behind it. What we alone have there they see in our pages.
    const full = page.length === MAX_PAGE_ENTRIES * ENTRY_BYTES;
    const [first = ''] = seen;
    for (const key of bucket.entries.keys()) {
      if (!seen.has(key) && (!full || (first < key && key < last))) differences.ours.push(key);
    }
    return differences;
  }

  #bucketOf(key: Uint8Array): Bucket {
    return this.#buckets[(key[0] ?? 0) % BUCKETS] as Bucket;
  }

  #changed(bucket: Bucket): void {
    bucket.page = null;
    bucket.hash = null;
    this.#root = null;
  }
}

/** The keys of a `want`; null if it is malformed. */
export function splitKeys(keys: Uint8Array): string[] | null {
  if (keys.length % DIGEST_KEY_BYTES !== 0) return null;
  const list: string[] = [];
  for (let at = 0; at < keys.length; at += DIGEST_KEY_BYTES) {
    list.push(toHex(keys.subarray(at, at + DIGEST_KEY_BYTES)));
  }
  return list;
}

function pageOf(bucket: Bucket): Uint8Array {
  if (bucket.page !== null) return bucket.page;
  const page = new Uint8Array(bucket.entries.size * ENTRY_BYTES);
  const keys = [...bucket.entries.keys()].sort();
  for (const [i, key] of keys.entries()) {
    page.set(bucket.entries.get(key) as Uint8Array, i * ENTRY_BYTES);
  }
  bucket.page = page;
  return page;
}

/** Positive if `a` is newer. */
function compareEntries(a: Uint8Array, b: Uint8Array): number {
  const version = (entry: Uint8Array) =>
    new DataView(entry.buffer, entry.byteOffset).getUint32(DIGEST_KEY_BYTES, true);
  return version(a) - version(b) || (a[ENTRY_BYTES - 1] ?? 0) - (b[ENTRY_BYTES - 1] ?? 0);
}
