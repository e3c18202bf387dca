// Logging of the shell. pino takes longer to load than the rest of the start-up together, so it is loaded with the
// first line that is really written. Messages are constant; what varies is in fields; keys never appear.

import { createRequire } from 'node:module';
import type { Logger as PinoLogger } from 'pino';

export type LogLevel = 'silent' | 'error' | 'debug';
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  error(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** LOG_LEVEL as wireguard-go reads it: verbose or debug, error, silent; anything else is error. */
export function parseLogLevel(text: string | undefined): LogLevel {
  if (text === 'verbose' || text === 'debug') return 'debug';
  return text === 'silent' ? 'silent' : 'error';
}

const SECRETS = [
  'privateKey',
  'presharedKey',
  'sendKey',
  'receiveKey',
  'private_key',
  'preshared_key',
];

/** Where lines go: a file descriptor, or anything that takes them (tests). */
export type LogDestination = number | { write(line: string): void };

/** JSON lines, as pino writes them, synchronously: a line is out before the process can end. */
export function createLogger(
  level: LogLevel,
  interfaceName: string,
  destination: LogDestination = 1,
): Logger {
  let loaded: PinoLogger | undefined;
  const load = (): PinoLogger => {
    loaded = openPino(level, interfaceName, destination);
    return loaded;
  };
  return {
    error(message, fields = {}) {
      if (level !== 'silent') (loaded ?? load()).error(fields, message);
    },
    debug(message, fields = {}) {
      if (level === 'debug') (loaded ?? load()).debug(fields, message);
    },
  };
}

/** Loads pino. Lines carry the interface's name, and no secrets. */
export function openPino(
  level: string,
  interfaceName: string,
  destination: LogDestination,
): PinoLogger {
  const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino');
  const stream =
    typeof destination === 'number'
      ? pino.destination({ dest: destination, sync: true })
      : destination;
  const redact = { paths: SECRETS.flatMap((key) => [key, `*.${key}`]), censor: '(hidden)' };
  return pino({ level, redact, base: { interface: interfaceName } }, stream);
}
