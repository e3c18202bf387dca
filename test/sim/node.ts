// One simulated machine: the mesh core with the part of its shell that matters here, a clock of its own, a disk that
// holds what the core saved, and the ways in which machines fail.
//
//   network -> deliver() -> Mesh.receive()          ... -> takeEffects() -> network, disk, observers
//   event queue -> one timer -> Mesh.tick()

import type { WallTime } from '../../src/core/clock.js';
import type { Datagram, Endpoint } from '../../src/core/types.js';
import type { MeshEffect, MeshState } from '../../src/mesh/effects.js';
import type { Identity } from '../../src/mesh/identity.js';
import type { Mesh } from '../../src/mesh/mesh.js';
import type { Member, NodeId } from '../../src/mesh/types.js';
import type { EventQueue } from './event-queue.js';
import type { Host, SimulatedNetwork } from './network.js';
import type { SeededRandom } from './random.js';

/** What a socket holds while nobody reads it: the default receive buffer, full of small datagrams. */
const SOCKET_BUFFER_DATAGRAMS = 256;
const WALL_EPOCH_SECONDS = 1_700_000_000;

export interface Observer {
  /** `member` is what `node` holds now. */
  memberChanged?(node: SimulatedNode, member: Member): void;
  memberForgotten?(node: SimulatedNode, id: NodeId): void;
  /** After every input, when all its effects were carried out. */
  stepped?(node: SimulatedNode): void;
  started?(node: SimulatedNode): void;
}

export interface NodeEnvironment {
  readonly queue: EventQueue;
  readonly network: SimulatedNetwork;
  readonly observers: readonly Observer[];
  /** A new process on this machine. */
  boot(node: SimulatedNode, saved: MeshState | null): Mesh;
}

export class SimulatedNode implements Host {
  readonly index: number;
  readonly identity: Identity;
  readonly random: SeededRandom;
  readonly #env: NodeEnvironment;
  #endpoint: Endpoint;
  #mesh: Mesh | null = null;
  #saved: MeshState | null = null;
  #savedInvites: Uint8Array | null = null;
  #hasLeft = false;
  #wasStarted = false;
  #paused = false;
  readonly #socketBuffer: Datagram[] = [];
  /** Counts processes and timers: what was armed for an earlier one does not run. */
  #timer = 0;
  #timerDueMs = Number.POSITIVE_INFINITY;
  /** The monotonic clock of a machine starts anywhere, and anew with each restart. */
  #clockOffsetMs = 0;
  #wallOffsetSeconds = 0;

  constructor(
    env: NodeEnvironment,
    identity: Identity,
    place: { index: number; endpoint: Endpoint; random: SeededRandom },
  ) {
    this.#env = env;
    this.identity = identity;
    this.index = place.index;
    this.random = place.random;
    this.#endpoint = place.endpoint;
    env.network.attach(this);
  }

  get id(): NodeId {
    return this.identity.id;
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  /** The running process, if there is one. */
  get mesh(): Mesh | null {
    return this.#mesh;
  }

  get saved(): MeshState | null {
    return this.#saved;
  }

  /** What the next process finds on the disk. */
  set saved(state: MeshState | null) {
    this.#saved = state;
  }

  /** The issuer's part of the disk. */
  get savedInvites(): Uint8Array | null {
    return this.#savedInvites;
  }

  /** Runs and is not frozen: others must be able to reach it. */
  get isLive(): boolean {
    return this.#mesh !== null && !this.#paused;
  }

  /** It has said so, and was not started since. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  get wasStarted(): boolean {
    return this.#wasStarted;
  }

  nowMs(): number {
    return this.#env.queue.nowMs + this.#clockOffsetMs;
  }

  wallTime(): WallTime {
    const ms = Math.floor(this.#env.queue.nowMs);
    const seconds = WALL_EPOCH_SECONDS + Math.floor(ms / 1000) + this.#wallOffsetSeconds;
    return { seconds, nanoseconds: (ms % 1000) * 1_000_000 };
  }

  // --- The life of the process ---

  start(): void {
    if (this.#mesh !== null) return;
    this.#clockOffsetMs = this.random.between(1_000, 1e9) - this.#env.queue.nowMs;
    this.#hasLeft = false;
    this.#wasStarted = true;
    this.#mesh = this.#env.boot(this, this.#saved);
    for (const observer of this.#env.observers) observer.started?.(this);
    this.perform((mesh, nowMs) => {
      mesh.setLocalEndpoints(nowMs, [this.#endpoint]);
      mesh.start(nowMs);
    });
  }

  /** kill -9: what was not saved is lost. */
  crash(): void {
    this.#mesh = null;
    this.#paused = false;
    this.#socketBuffer.length = 0;
    this.#disarm();
  }

  restart(options: { loseState?: boolean } = {}): void {
    this.crash();
    if (options.loseState) this.#saved = null;
    this.start();
  }

  /** Says that it leaves, and stops when that is told. */
  leave(): void {
    if (this.#mesh === null || this.#hasLeft) return;
    this.#hasLeft = true;
    this.perform((mesh, nowMs) => mesh.leave(nowMs));
  }

  /** Stops the process as SIGSTOP or a starved machine does: time goes on, the socket fills. */
  pause(): void {
    if (this.#mesh !== null) this.#paused = true;
  }

  /** Timers that are overdue run before the socket is read, as in Node's event loop. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.nowMs() >= this.#timerDueMs) this.#tick();
    for (const datagram of this.#socketBuffer.splice(0)) this.deliver(datagram);
  }

  // --- The machine ---

  /** NTP steps the wall clock. The monotonic clock knows nothing of it. */
  jumpWallClock(seconds: number): void {
    this.#wallOffsetSeconds += seconds;
  }

  /** The machine sleeps, and the monotonic clock has counted that (CLOCK_BOOTTIME): datagrams of the time are lost. */
  jumpMonotonicClock(ms: number): void {
    this.#clockOffsetMs += ms;
    if (this.isLive) this.#tick();
  }

  /** Roams: another address, of which the core is told as the shell would. */
  moveTo(endpoint: Endpoint): void {
    this.#env.network.detach(this.#endpoint);
    this.#endpoint = endpoint;
    this.#env.network.attach(this);
    if (this.#mesh === null) return;
    this.perform((mesh, nowMs) => mesh.setLocalEndpoints(nowMs, [endpoint]));
  }

  deliver(datagram: Datagram): void {
    if (this.#mesh === null) return;
    if (this.#paused) {
      if (this.#socketBuffer.length < SOCKET_BUFFER_DATAGRAMS) this.#socketBuffer.push(datagram);
      return;
    }
    this.perform((mesh, nowMs) => mesh.receive(nowMs, datagram));
  }

  /** Gives the core an input, then does what it asks for, then arms the timer: as the shell's driver. */
  perform<T>(input: (mesh: Mesh, nowMs: number) => T): T {
    const mesh = this.#mesh;
    if (mesh === null) throw new Error(`Node ${this.index} is not running`);
    const result = input(mesh, this.nowMs());
    for (const effect of mesh.takeEffects()) this.#apply(effect);
    if (this.#mesh === null) this.#disarm();
    else this.#armTimer(mesh);
    for (const observer of this.#env.observers) observer.stepped?.(this);
    return result;
  }

  #apply(effect: MeshEffect): void {
    switch (effect.type) {
      case 'send-datagram':
        this.#env.network.send(this, effect.path.remote, effect.bytes);
        break;
      case 'save-state':
        this.#saved = effect.state;
        break;
      case 'save-invites':
        this.#savedInvites = effect.state;
        this.perform((mesh, nowMs) => mesh.invitesSaved(nowMs, true));
        break;
      case 'member-changed':
        for (const observer of this.#env.observers) observer.memberChanged?.(this, effect.member);
        break;
      case 'member-forgotten':
        for (const observer of this.#env.observers) observer.memberForgotten?.(this, effect.id);
        break;
      case 'left':
        this.#mesh = null;
        break;
    }
  }

  #tick(): void {
    this.#disarm();
    this.perform((mesh, nowMs) => mesh.tick(nowMs));
  }

  #armTimer(mesh: Mesh): void {
    const nowMs = this.nowMs();
    const dueMs = mesh.nextTickMs(nowMs);
    if (dueMs === this.#timerDueMs) return;
    this.#disarm();
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const timer = this.#timer;
    const delayMs = Math.max(1, Math.ceil(dueMs - nowMs));
    this.#env.queue.at(this.#env.queue.nowMs + delayMs, () => {
      if (timer === this.#timer && !this.#paused) this.#tick();
    });
  }

  #disarm(): void {
    this.#timer++;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
  }
}
