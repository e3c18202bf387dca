// What this node knows and others may lack: every record, whether it stands accused, and every revocation, by the keys
// under which push/pull compares them.

import type { Crypto } from '../core/crypto.js';
import { fromHex, toHex } from '../core/hex.js';
import { encodeMessage } from './messages.js';
import type { MemberEntry, MemberTable } from './swim/members.js';
import { DIGEST_KEY_BYTES, StateDigest } from './swim/push-pull.js';
import type { NodeId, SignedRecord } from './types.js';

/** Accusations that are passed on as evidence: more say nothing more. */
const MAX_EVIDENCE = 3;

type Item = { readonly member: NodeId } | { readonly revocation: Uint8Array };

export class Knowledge {
  readonly #hash: Crypto['hash'];
  readonly #table: MemberTable;
  readonly #items = new Map<string, Item>();
  readonly digest: StateDigest;
  #own: SignedRecord | null = null;

  constructor(crypto: Pick<Crypto, 'hash'>, table: MemberTable) {
    this.#hash = (...parts) => crypto.hash(...parts);
    this.#table = table;
    this.digest = new StateDigest(this.#hash);
  }

  setOwn(own: SignedRecord): void {
    this.#own = own;
    this.#setMember(own.record.id, own.record.incarnation, false);
  }

  setMember(entry: MemberEntry): void {
    this.#setMember(entry.id, entry.incarnation, entry.accusations.size > 0);
  }

  removeMember(id: NodeId): void {
    const key = memberKey(id);
    this.digest.delete(key);
    this.#items.delete(toHex(key));
  }

  addRevocation(bytes: Uint8Array): void {
    const key = this.#hash(bytes).subarray(0, DIGEST_KEY_BYTES);
    this.digest.set(key, 0, 0);
    this.#items.set(toHex(key), { revocation: bytes });
  }

  /** True if there is something under this key. */
  has(key: string): boolean {
    return this.#items.has(key);
  }

  /** What is known under a key, as encoded messages. */
  messages(key: string): Uint8Array[] {
    const item = this.#items.get(key);
    if (item === undefined) return [];
    if ('revocation' in item) return [revocationMessage(item.revocation)];
    if (this.#own !== null && item.member === this.#own.record.id)
      return [recordMessage(this.#own)];
    const entry = this.#table.get(item.member);
    return entry === undefined ? [] : [recordMessage(entry.signed), ...evidence(entry)];
  }

  #setMember(id: NodeId, incarnation: number, accused: boolean): void {
    const key = memberKey(id);
    this.digest.set(key, incarnation, accused ? 1 : 0);
    this.#items.set(toHex(key), { member: id });
  }
}

function memberKey(id: NodeId): Uint8Array {
  return fromHex(id.slice(0, 2 * DIGEST_KEY_BYTES)) ?? new Uint8Array(DIGEST_KEY_BYTES);
}

const recordMessages = new WeakMap<SignedRecord, Uint8Array>();

/** Encoded once for each record. */
export function recordMessage(signed: SignedRecord): Uint8Array {
  let message = recordMessages.get(signed);
  if (message === undefined) {
    const { payload, signature } = signed;
    message = encodeMessage({ type: 'record', payload, signature });
    recordMessages.set(signed, message);
  }
  return message;
}

export function revocationMessage(bytes: Uint8Array): Uint8Array {
  return encodeMessage({ type: 'revocation', bytes });
}

/** What a member stands accused of, as encoded messages. */
export function evidence(entry: MemberEntry): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (const accusation of entry.accusations.values()) {
    if (messages.length >= MAX_EVIDENCE) break;
    messages.push(encodeMessage({ type: 'accusation', ...accusation }));
  }
  return messages;
}
