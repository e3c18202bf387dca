// What the parts of a channel share: who we are, what is counted, what waits to be sent.

import type { MeshCrypto } from '../../core/crypto.js';
import type { Random } from '../../core/random.js';
import type { Datagram, Path } from '../../core/types.js';
import type { Identity } from '../identity.js';
import type { NodeId } from '../types.js';
import { MAX_OUTBOX } from './limits.js';

export interface ChannelEnvironment {
  readonly crypto: MeshCrypto;
  readonly random: Random;
  readonly identity: Identity;
  /** 32 bytes that every member knows, and every invite. */
  readonly meshKey: Uint8Array;
  /** Asked again with each message: membership may change. */
  isMember(id: NodeId): boolean;
}

const COUNTERS = [
  'messages-sent',
  'messages-received',
  'hellos-sent',
  'cookies-sent',
  'accepts-sent',
  'unknowns-sent',
  'sessions-opened',
  // what was refused, in the order in which a datagram meets it
  'malformed',
  'unproven-over-rate',
  'bad-hello',
  'bad-identity',
  'stranger-hellos-over-rate',
  'bad-proof',
  'repeated-hello',
  'unexpected-cookie',
  'unexpected-accept',
  'bad-unknown',
  'unknown-token',
  'session-over',
  'replayed',
  'stranger-messages-over-rate',
  'bad-data',
  // what was given up on our side
  'strangers-evicted',
  'handshakes-given-up',
  'handshakes-over-limit',
  'messages-given-up',
  'outbox-full',
] as const;

export type Counter = (typeof COUNTERS)[number];
export type Counters = Record<Counter, number>;

export function createCounters(): Counters {
  return Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Counters;
}

/** Datagrams until the driver takes them. */
export class Outbox {
  readonly #counters: Counters;
  #datagrams: Datagram[] = [];

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  put(path: Path, bytes: Uint8Array): void {
    if (this.#datagrams.length >= MAX_OUTBOX) {
      this.#counters['outbox-full']++;
      return;
    }
    this.#datagrams.push({ path, bytes });
  }

  take(): readonly Datagram[] {
    const datagrams = this.#datagrams;
    this.#datagrams = [];
    return datagrams;
  }
}
