// One message that is too large for a datagram, such as a record with a long certificate, in pieces.

import { MAX_PLAINTEXT } from '../wire/gossip.js';
import {
  decodeMessage,
  encodeMessage,
  MAX_FRAGMENTS,
  type Message,
  PACKET_HEADER_BYTES,
} from './messages.js';
import type { NodeId } from './types.js';

type Fragment = Extract<Message, { type: 'fragment' }>;

/** A message of more bytes goes in fragments. */
export const MAX_WHOLE_BYTES = MAX_PLAINTEXT - PACKET_HEADER_BYTES;
/** Room for a fragment's own fields. */
const FRAGMENT_BYTES = MAX_WHOLE_BYTES - 24;
/** Senders whose fragments are kept, one message each. */
const MAX_ASSEMBLIES = 128;
const ASSEMBLY_LIFETIME_MS = 5_000;

/**
 * @param id tells the fragments of one message from those of another by the same sender, u32
 * @returns encoded messages, each for a datagram of its own; null: it is too large even so
 */
export function fragmentsOf(message: Uint8Array, id: number): Uint8Array[] | null {
  const count = Math.ceil(message.length / FRAGMENT_BYTES);
  if (count > MAX_FRAGMENTS) return null;
  return Array.from({ length: count }, (_, index) => {
    const bytes = message.subarray(index * FRAGMENT_BYTES, (index + 1) * FRAGMENT_BYTES);
    return encodeMessage({ type: 'fragment', id, index, count, bytes });
  });
}

interface Assembly {
  readonly id: number;
  readonly startMs: number;
  readonly parts: (Uint8Array | undefined)[];
}

export class FragmentAssembler {
  /** The oldest first. */
  readonly #assemblies = new Map<NodeId, Assembly>();
  readonly #isMember: (id: NodeId) => boolean;

  constructor(isMember: (id: NodeId) => boolean) {
    this.#isMember = isMember;
  }

  /** The whole message, if this was the last of its fragments; 'refused' if it is none, or too many are under way. */
  accept(nowMs: number, from: NodeId, fragment: Fragment): Message | 'refused' | null {
    const { id, index, count, bytes } = fragment;
    if (index >= count) return 'refused';
    let assembly = this.#assemblies.get(from);
    if (assembly === undefined || assembly.id !== id || assembly.parts.length !== count) {
      this.#dropOld(nowMs);
      this.#assemblies.delete(from);
      if (this.#assemblies.size >= MAX_ASSEMBLIES && !this.#makeRoom(from)) return 'refused';
      assembly = { id, startMs: nowMs, parts: new Array(count).fill(undefined) };
      this.#assemblies.set(from, assembly);
    }
    assembly.parts[index] = bytes;
    if (assembly.parts.includes(undefined)) return null;
    this.#assemblies.delete(from);
    const message = decodeMessage(concatenate(assembly.parts as Uint8Array[]));
    return message === null || message.type === 'fragment' ? 'refused' : message;
  }

  /** The oldest of a stranger goes first; no stranger takes a member's place. */
  #makeRoom(from: NodeId): boolean {
    const ids = [...this.#assemblies.keys()];
    const stranger = ids.find((id) => !this.#isMember(id));
    const dropped = stranger ?? (this.#isMember(from) ? ids[0] : undefined);
    return dropped !== undefined && this.#assemblies.delete(dropped);
  }

  #dropOld(nowMs: number): void {
    for (const [from, { startMs }] of this.#assemblies) {
      if (nowMs - startMs > ASSEMBLY_LIFETIME_MS) this.#assemblies.delete(from);
    }
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
