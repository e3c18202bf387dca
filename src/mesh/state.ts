// What survives a restart: its bytes, and when it is to be saved.

import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from '../wire/msgpack.js';
import type { MeshContext } from './context.js';
import type { MeshState, SavedMember } from './effects.js';
import { SIGNATURE_BYTES } from './identity.js';
import type { OwnRecord } from './own-record.js';
import { MAX_ADDRESS_COUNTER, MAX_INCARNATION } from './record.js';
import { MAX_MEMBERS, type MemberState } from './types.js';

const VERSION = 1;
const MAX_PAYLOAD_BYTES = 4_096;
const LIMITS = { maxBytes: 64 * 1024 * 1024, maxDepth: 4, maxCount: 16 * MAX_MEMBERS };
const STATES: readonly MemberState[] = ['alive', 'suspect', 'dead', 'left'];

export function encodeState(state: MeshState): Uint8Array {
  const members = state.members.map(
    ({ payload, signature, state: memberState }): Msgpack =>
      new Map<string, Msgpack>([
        ['p', payload],
        ['s', signature],
        ['t', STATES.indexOf(memberState)],
      ]),
  );
  return encodeMsgpack(
    new Map<string, Msgpack>([
      ['v', VERSION],
      ['i', state.incarnation],
      ['k', state.addressCounter],
      ['m', members],
    ]),
  );
}

/** Null if it is none. */
export function decodeState(bytes: Uint8Array): MeshState | null {
  const fields = Fields.of(decodeMsgpack(bytes, LIMITS));
  if (fields.uint('v', MAX_INCARNATION) !== VERSION) return null;
  const state = {
    incarnation: fields.uint('i', MAX_INCARNATION),
    addressCounter: fields.uint('k', MAX_ADDRESS_COUNTER),
    members: fields.list('m', MAX_MEMBERS, decodeMember),
  };
  return fields.valid ? state : null;
}

function decodeMember(value: Msgpack): SavedMember | null {
  const fields = Fields.of(value);
  const member = {
    payload: fields.bytesUpTo('p', MAX_PAYLOAD_BYTES),
    signature: fields.bytes('s', SIGNATURE_BYTES),
    state: STATES[fields.uint('t', STATES.length - 1)] as MemberState,
  };
  return fields.valid ? member : null;
}

/** Changes of members are saved soon; a new incarnation before anybody hears of it. */
export class Saver {
  readonly #context: MeshContext;
  readonly #own: OwnRecord;
  #lastMs = -Infinity;
  #nextMs = Infinity;

  constructor(context: MeshContext, own: OwnRecord) {
    this.#context = context;
    this.#own = own;
  }

  get nextMs(): number {
    return this.#nextMs;
  }

  changed(nowMs: number): void {
    if (this.#nextMs < Infinity) return;
    this.#nextMs = Math.max(nowMs, this.#lastMs + this.#context.config.timings.saveIntervalMs);
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#nextMs) this.save(nowMs);
  }

  save(nowMs: number): void {
    this.#lastMs = nowMs;
    this.#nextMs = Infinity;
    const members = this.#context.table.entries().map(({ signed, state }) => {
      return { payload: signed.payload, signature: signed.signature, state };
    });
    const { reservedIncarnation: incarnation, addressCounter } = this.#own;
    this.#context.effects.push({
      type: 'save-state',
      state: { incarnation, addressCounter, members },
    });
  }
}
