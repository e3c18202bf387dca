// What a command of `weft` is, and what it is given to work with.

import { existsSync, readFileSync } from 'node:fs';
import type { ParseArgsConfig } from 'node:util';
import { WeftError } from '../core/errors.js';
import { readTextIfThere } from '../node/atomic-file.js';
import { DEFAULT_DEVICE } from '../node/config.js';
import { type AskOptions, ask } from '../node/control-client.js';
import { controlSocketPath } from '../node/control-protocol.js';
import { CONFIG_LIMITS, type NodePaths } from '../node/settings.js';

export type OptionSpecs = NonNullable<ParseArgsConfig['options']>;
export type OptionValues = Readonly<Record<string, unknown>>;

export interface Command {
  /** The lines of `weft COMMAND --help`, from "Usage:" on. */
  readonly help: string;
  readonly options: OptionSpecs;
  run(context: Context): Promise<void>;
}

/** A command before it is loaded. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** The command line was wrong: exit status 2. */
export function usageError(message: string): WeftError {
  return new WeftError('EUSAGE', message);
}

/** What went wrong, in one line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  const isDenied = (code === 'EACCES' || code === 'EPERM') && path !== undefined;
  return isDenied ? `no permission for ${path}: run it as root` : error.message;
}

export class Context {
  constructor(
    readonly commandName: string,
    readonly values: OptionValues,
    readonly positionals: readonly string[],
    readonly paths: NodePaths,
    /** The launcher's absolute path. */
    readonly script: string,
    readonly version: string,
    /** All there are. */
    readonly commands: readonly CommandEntry[],
  ) {}

  /** --json was given: results are printed as JSON, one value a line. */
  get json(): boolean {
    return this.values.json === true;
  }

  /** The interface that is spoken of: -i, else the configured one. */
  get device(): string {
    const given = this.text('interface') ?? process.env.WEFT_INTERFACE;
    if (given) return given;
    // a mistake elsewhere in the file must not hide the node that runs
    const text = readTextIfThere(this.paths.config, CONFIG_LIMITS) ?? '';
    return /^[ \t]*Device[ \t]*=[ \t]*([^\s#]+)/im.exec(text)?.[1] ?? DEFAULT_DEVICE;
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** All values of an option that may be repeated; commas separate as well. */
  list(name: string): string[] {
    const value = this.values[name];
    const given = Array.isArray(value) ? value.map(String) : [];
    return given.flatMap((each) => each.split(',')).filter((each) => each !== '');
  }

  /** @throws WeftError EUSAGE unless there are `min` to `max` arguments */
  arguments(min: number, max: number, what: string): readonly string[] {
    const { length } = this.positionals;
    if (length < min || length > max) {
      throw usageError(`${length < min ? 'too few' : 'too many'} arguments: ${what}`);
    }
    return this.positionals;
  }

  /** Prints a result: as JSON, or what `format` makes of it. */
  print<T>(result: T, format: (result: T) => string): void {
    this.write(this.json ? `${JSON.stringify(result)}\n` : format(result));
  }

  write(text: string): void {
    process.stdout.write(text);
  }

  /** What is said to people only, beside the result. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  get socketPath(): string {
    return controlSocketPath(this.paths.run, this.device);
  }

  /** @throws WeftError ENOTRUNNING, or what the node answered */
  async ask(
    command: string,
    parameters: Readonly<Record<string, unknown>> = {},
    options: AskOptions = {},
  ): Promise<unknown> {
    try {
      return await ask(this.socketPath, command, parameters, options);
    } catch (error) {
      if (!(error instanceof WeftError) || error.code !== 'ENOTRUNNING') throw error;
      const { config } = this.paths;
      if (existsSync(config)) throw error;
      throw new WeftError(
        error.code,
        `no node is running, and there is no ${config}: make a mesh with weft init, or enter one with weft join -`,
      );
    }
  }

  /** Asks if a node runs. @returns undefined if none does */
  async askIfRunning(
    command: string,
    parameters: Readonly<Record<string, unknown>> = {},
  ): Promise<unknown> {
    try {
      return await this.ask(command, parameters);
    } catch (error) {
      if (error instanceof WeftError && error.code === 'ENOTRUNNING') return undefined;
      throw error;
    }
  }
}

/**
 * Reads a file, or all of standard input.
 * @throws WeftError EINPUT if there is no such file
 */
export async function readInput(source: string): Promise<string> {
  if (source === '-') return readStdin();
  try {
    return readFileSync(source, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new WeftError('EINPUT', `there is no file ${source}: give one, or - for standard input`);
  }
}

async function readStdin(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Paste it here; Ctrl-D on a new line ends it.\n');
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += chunk;
  return text;
}
