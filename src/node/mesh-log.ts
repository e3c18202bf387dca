// The log of a mesh node: lines go to the output, as JSON by pino or in words on a terminal, and the last ones are kept
// for `weft log` and `weft bugreport`.

import type { Logger as PinoLogger } from 'pino';
import type { LogLevelName } from './config.js';
import { type LogDestination, type LogFields, type Logger, openPino } from './logger.js';

/** Lines kept. */
const KEPT = 1_000;

const RANKS: Readonly<Record<LogLevelName, number>> = { error: 0, warn: 1, info: 2, debug: 3 };

export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly level: LogLevelName;
  readonly message: string;
  readonly fields: LogFields;
}

/** Where lines go besides being kept. */
export type LogSink = (line: LogLine) => void;

export class MeshLog implements Logger {
  level: LogLevelName;
  readonly #sink: LogSink;
  readonly #lines: LogLine[] = [];
  readonly #followers = new Set<LogSink>();

  constructor(level: LogLevelName, sink: LogSink) {
    this.level = level;
    this.#sink = sink;
  }

  error(message: string, fields: LogFields = {}): void {
    this.write('error', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.write('warn', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.write('info', message, fields);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.write('debug', message, fields);
  }

  write(level: LogLevelName, message: string, fields: LogFields): void {
    if (RANKS[level] > RANKS[this.level]) return;
    const line = { timeMs: Date.now(), level, message, fields };
    this.#lines.push(line);
    if (this.#lines.length > KEPT) this.#lines.shift();
    this.#sink(line);
    for (const follower of this.#followers) follower(line);
  }

  /** The last lines, oldest first. */
  last(count: number): LogLine[] {
    return count <= 0 ? [] : this.#lines.slice(-count);
  }

  /** Calls back with each line from now on; the result ends it. */
  follow(follower: LogSink): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}

/** JSON lines by pino, loaded with the first. */
export function jsonSink(interfaceName: string, destination: LogDestination): LogSink {
  let pino: PinoLogger | undefined;
  return ({ level, message, fields }) => {
    pino ??= openPino('debug', interfaceName, destination);
    pino[level](fields, message);
  };
}

/** Words for people. */
export function textSink(write: (text: string) => void): LogSink {
  return (line) => write(`${formatLogLine(line)}\n`);
}

export function formatLogLine({ timeMs, level, message, fields }: LogLine): string {
  const time = new Date(timeMs).toISOString().replace('T', ' ').slice(0, 23);
  const words = Object.entries(fields).map(([name, value]) => `${name}=${formatValue(value)}`);
  return [time, level.toUpperCase().padEnd(5), message, ...words].join(' ');
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message);
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return /^[!#-~]+$/.test(text) ? text : JSON.stringify(text).replaceAll(UNPRINTABLE, escaped);
}

/** What JSON leaves as it is and a terminal may obey: controls, and marks that reorder text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}]/gu;

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
