// What the parts of the mesh core share: the environment, the table, the news, the effects.

import type { WallTime } from '../core/clock.js';
import type { MeshCrypto } from '../core/crypto.js';
import type { Random } from '../core/random.js';
import type { Endpoint, Prefix } from '../core/types.js';
import type { MeshEffect, MeshState } from './effects.js';
import type { Identity } from './identity.js';
import type { Awareness } from './swim/awareness.js';
import type { BroadcastQueue } from './swim/broadcast-queue.js';
import type { SwimConfig } from './swim/config.js';
import type { MemberTable } from './swim/members.js';
import type { TrustStore } from './trust.js';
import type { NodeId } from './types.js';

/**
 * Where somebody of the mesh may be found. The channel speaks to identities: at a seed without one, those that are trusted
 * by key and those that are known are tried.
 */
export interface Seed extends Endpoint {
  readonly id?: NodeId;
}

export interface MeshConfig {
  readonly meshId: Uint8Array;
  /** 32 bytes. */
  readonly meshKey: Uint8Array;
  readonly name: string;
  readonly seeds: readonly Seed[];
  /** Null: no IPv4 inside the mesh but pinned addresses. */
  readonly v4Prefix: Prefix | null;
  readonly routes: readonly Prefix[];
  readonly capabilities: readonly string[];
  /** Empty for a node that is trusted by key. */
  readonly certificate: Uint8Array;
  readonly timings: SwimConfig;
}

export interface MeshEnvironment {
  readonly crypto: MeshCrypto;
  readonly random: Random;
  readonly identity: Identity;
  readonly trust: TrustStore;
  wallTime(): WallTime;
  readonly config: MeshConfig;
  readonly saved: MeshState | null;
}

/** What happened how often since the start. */
export class Counters {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  entries(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

export class EffectList {
  #effects: MeshEffect[] = [];

  push(effect: MeshEffect): void {
    this.#effects.push(effect);
  }

  event(
    level: 'debug' | 'info' | 'warn' | 'error',
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
  ): void {
    this.push({ type: 'event', level, message, fields });
  }

  take(): MeshEffect[] {
    const taken = this.#effects;
    this.#effects = [];
    return taken;
  }
}

export interface MeshContext {
  readonly crypto: MeshCrypto;
  readonly random: Random;
  readonly identity: Identity;
  trust: TrustStore;
  wallTime(): WallTime;
  readonly config: MeshConfig;
  readonly table: MemberTable;
  readonly broadcasts: BroadcastQueue;
  readonly awareness: Awareness;
  readonly effects: EffectList;
  readonly counters: Counters;
}

/** Members, this node included: the n of every formula. */
export function memberCount(context: MeshContext): number {
  return context.table.presentCount + 1;
}
