// Runs the mesh core beside the WireGuard core: every input goes into the mesh, then what it wants done is done in
// order, then ONE timer is armed. driver.ts does the same for WireGuard; both send through the same data plane.

import type { Datagram } from '../core/types.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import type { Mesh, MeshEffect } from '../mesh/mesh.js';
import type { Scheduler } from './system.js';

/** What the mesh wants done beyond sending: on the disk, in the log, in WireGuard. */
export type MeshRequest = Exclude<MeshEffect, { type: 'send-datagram' }>;

export interface MeshDriverEnvironment {
  readonly mesh: Mesh;
  readonly dataPlane: DataPlane;
  readonly scheduler: Scheduler;
  /** Done before the effects that follow are. */
  onRequest(request: MeshRequest): void;
}

export class MeshDriver {
  readonly mesh: Mesh;
  readonly #env: MeshDriverEnvironment;
  #cancelTimer: (() => void) | null = null;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(env: MeshDriverEnvironment) {
    this.mesh = env.mesh;
    this.#env = env;
  }

  /** Gives the mesh an input, then does what it asks for. */
  perform<T>(input: (mesh: Mesh, nowMs: number) => T): T {
    try {
      return input(this.mesh, this.#env.dataPlane.nowMs());
    } finally {
      this.#settle();
    }
  }

  receive(datagrams: readonly Datagram[]): void {
    if (this.#stopped) return;
    this.perform((mesh, nowMs) => {
      for (const datagram of datagrams) mesh.receive(nowMs, datagram);
    });
  }

  /** No input is taken and no timer runs from here on. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #settle(): void {
    const { dataPlane, onRequest } = this.#env;
    for (const effect of this.mesh.takeEffects()) {
      if (effect.type === 'send-datagram') dataPlane.sendDatagram(effect.path, effect.bytes);
      else onRequest(effect);
    }
    this.#armTimer();
  }

  #armTimer(): void {
    if (this.#stopped) return;
    const nowMs = this.#env.dataPlane.nowMs();
    const dueMs = this.mesh.nextTickMs(nowMs);
    if (dueMs === this.#timerDueMs && this.#cancelTimer !== null) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(1, Math.ceil(dueMs - nowMs));
    this.#cancelTimer = this.#env.scheduler.after(delayMs, () => {
      this.#cancelTimer = null;
      this.perform((mesh, tickMs) => mesh.tick(tickMs));
    });
  }
}
