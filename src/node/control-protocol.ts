// What the weft command and the running node say to each other on the control socket: JSON, one value a line.
//
//   command -> node   {"command": "status", "arguments": {...}}
//   node -> command   {"event": ...} any number of times, then {"result": ...} or {"error": {"code", "message"}}

import { join } from 'node:path';

/** A request is small; an answer may be as long as it needs to be. */
export const MAX_REQUEST_BYTES = 64 * 1024;

export const DEFAULT_RUN_DIRECTORY = '/run/weft';

export interface ControlRequest {
  readonly command: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export type ControlReply =
  | { readonly event: unknown }
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

export function controlSocketPath(runDirectory: string, device: string): string {
  return join(runDirectory, `${device}.sock`);
}

/** @returns null if the line is no request */
export function parseRequest(line: string): ControlRequest | null {
  const value = parseObject(line);
  if (value === null || typeof value.command !== 'string') return null;
  const given = value.arguments ?? {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return null;
  return { command: value.command, arguments: given as Record<string, unknown> };
}

/** @returns null if the line is no reply */
export function parseReply(line: string): ControlReply | null {
  const value = parseObject(line);
  if (value === null) return null;
  if ('event' in value) return { event: value.event };
  if ('error' in value) return { error: value.error as { code: string; message: string } };
  return 'result' in value ? { result: value.result } : null;
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Cuts a stream of text into lines. */
export class LineSplitter {
  #partial = '';

  constructor(
    readonly maxLength: number,
    readonly onLine: (line: string) => void,
  ) {}

  /** @returns false if a line is too long: the stream is of no more use */
  push(text: string): boolean {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) {
      if (line.length > this.maxLength) return false;
      this.onLine(line);
    }
    return this.#partial.length <= this.maxLength;
  }
}
