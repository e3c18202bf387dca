// Which engine the data plane runs on, and the rule by which it is chosen where nobody says. What each is for is in
// docs/adr/0009-one-engine-lanes-and-threads.md.

export const ENGINES = ['single', 'workers', 'multiqueue'] as const;
export type EngineKind = (typeof ENGINES)[number];

/** As the addon has it: more TUN queues than this are not worth their memory. */
export const MAX_ENGINE_THREADS = 16;

/**
 * `whileBusy`: as long as much passes, and within bounds (docs/adr/0013-real-time-while-busy.md); of the engine `single` only, and
 * for more than one CPU.
 */
export type RealTime = 'never' | 'whileBusy' | 'always';

export interface EngineOptions {
  /**
   * `single`: one thread for everything. `workers`: `threads` that share one socket and one set of TUN queues.
   * `multiqueue`: `threads`, each with its own.
   */
  readonly kind: EngineKind;
  /** 1 to MAX_ENGINE_THREADS; 1 for `single`. */
  readonly threads: number;
  /** SO_BUSY_POLL of the sockets in microseconds; the system's default if not given. */
  readonly busyPollUs?: number;
  /** When the threads run under SCHED_FIFO at its lowest priority, where that is permitted; never if not given. */
  readonly realTime?: RealTime;
  /** Packets by io_uring, where the kernel and the addon have it. */
  readonly ioUring?: boolean;
}

/**
 * @param cpus that this process may run on
 * @param kind what is asked for, if anything is
 * @param threads the same
 */
export function chooseEngine(cpus: number, kind?: EngineKind, threads?: number): EngineOptions {
  const several = threads === undefined ? cpus > 3 : threads > 1;
  const chosen = kind ?? (several ? 'workers' : 'single');
  return {
    kind: chosen,
    threads: threads ?? defaultThreads(chosen, cpus),
    // Real-time threads must leave a CPU to everything else.
    realTime: chosen === 'single' && cpus > 1 ? 'whileBusy' : 'never',
  };
}

function defaultThreads(kind: EngineKind, cpus: number): number {
  switch (kind) {
    case 'single':
      return 1;
    case 'workers':
      // Past that the one who writes to the TUN is the limit; applications and the control plane need CPUs too.
      return Math.min(6, Math.max(2, Math.floor(cpus / 2)));
    case 'multiqueue':
      return Math.min(MAX_ENGINE_THREADS, Math.max(2, cpus));
  }
}
