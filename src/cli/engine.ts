// The environment variables that choose the engine.

import { WeftError } from '../core/errors.js';
import {
  chooseEngine,
  ENGINES,
  type EngineKind,
  type EngineOptions,
  MAX_ENGINE_THREADS,
  type RealTime,
} from '../dataplane/engine.js';

type Environment = Readonly<Record<string, string | undefined>>;

const MAX_BUSY_POLL_US = 1_000_000;

/**
 * @param cpus that this process may run on
 * @throws WeftError with a message that names the variable and says what it may be
 */
export function parseEngine(environment: Environment, cpus: number): EngineOptions {
  const kind = parseKind(environment);
  const threads = parseNumber(environment, 'WEFT_WORKERS', 1, MAX_ENGINE_THREADS);
  if (kind === 'single' && threads !== undefined && threads !== 1) {
    throw new WeftError(
      'EENGINE',
      "WEFT_WORKERS: 'single' has one thread; choose another WEFT_ENGINE",
    );
  }
  const busyPollUs = parseNumber(environment, 'WEFT_BUSY_POLL_US', 0, MAX_BUSY_POLL_US);
  const realTime = parseRealTime(environment);
  return {
    ...chooseEngine(cpus, kind, threads),
    ...(busyPollUs === undefined ? {} : { busyPollUs }),
    ...(realTime === undefined ? {} : { realTime }),
    ioUring: parseIo(environment) === 'io_uring',
  };
}

/** Undefined: to be chosen. */
function parseRealTime(environment: Environment): RealTime | undefined {
  const asked = parseNumber(environment, 'WEFT_SCHED_FIFO', 0, 1);
  if (asked === undefined) return undefined;
  return asked === 1 ? 'always' : 'never';
}

/** Undefined: to be chosen. */
function parseKind({ WEFT_ENGINE: text }: Environment): EngineKind | undefined {
  if (text === undefined || text === '' || text === 'auto') return undefined;
  const kind = ENGINES.find((known) => known === text);
  if (kind !== undefined) return kind;
  throw new WeftError('EENGINE', `WEFT_ENGINE is '${text}': use auto, ${ENGINES.join(', ')}`);
}

function parseIo({ WEFT_IO: text }: Environment): 'epoll' | 'io_uring' {
  if (text === undefined || text === '' || text === 'epoll') return 'epoll';
  if (text === 'io_uring') return 'io_uring';
  throw new WeftError('EENGINE', `WEFT_IO is '${text}': use epoll, io_uring`);
}

function parseNumber(
  environment: Environment,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = environment[name];
  if (text === undefined || text === '') return undefined;
  const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new WeftError('EENGINE', `${name} is '${text}': use a number from ${min} to ${max}`);
}
