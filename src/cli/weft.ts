// weft: the command line of the mesh node. Finds the command, parses its options, and turns what went wrong into one line
// and an exit status: 0 done, 1 failed, 2 wrong command line, 3 no node is running.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, WeftError } from '../core/errors.js';
import { DEFAULT_RUN_DIRECTORY } from '../node/control-protocol.js';
import { DEFAULT_CONFIG_PATH, type NodePaths } from '../node/settings.js';
import { DEFAULT_STATE_DIRECTORY } from '../node/state-store.js';
import { SOCKET_DIRECTORY } from '../node/uapi-server.js';
import {
  type CommandEntry,
  Context,
  type OptionSpecs,
  type OptionValues,
  reasonOf,
  usageError,
} from './command.js';
import { COMMANDS } from './commands.js';
import { COMMON_OPTIONS } from './options.js';

export const ExitStatus = { done: 0, failed: 1, usage: 2, notRunning: 3 } as const;

const COMMON_HELP = `
Options of every command:
  --json              print results as JSON, one value a line
  -i, --interface IF  the interface that is spoken of (default: the configured one, weft0)
  --config FILE       default ${DEFAULT_CONFIG_PATH} (WEFT_CONFIG)
  --state-dir DIR     default ${DEFAULT_STATE_DIRECTORY} (WEFT_STATE_DIR)
  --run-dir DIR       default ${DEFAULT_RUN_DIRECTORY} (WEFT_RUN_DIR)
  -h, --help          explain the command

Exit status: 0 done, 1 failed, 2 wrong command line, 3 no node is running.
`;

/**
 * Runs one command.
 * @param script the launcher's absolute path
 * @returns the exit status; an error is one line on stderr
 */
export async function main(argv: readonly string[], script: string): Promise<number> {
  try {
    return await dispatch(argv, script);
  } catch (error) {
    process.stderr.write(`weft: ${reasonOf(error)}\n`);
    if (!(error instanceof WeftError) && process.env.WEFT_DEBUG && error instanceof Error) {
      process.stderr.write(`${error.stack}\n`);
    }
    return statusOf(error);
  }
}

function statusOf(error: unknown): number {
  if (!(error instanceof WeftError)) return ExitStatus.failed;
  if (error.code === 'EUSAGE') return ExitStatus.usage;
  return error.code === 'ENOTRUNNING' ? ExitStatus.notRunning : ExitStatus.failed;
}

async function dispatch(argv: readonly string[], script: string): Promise<number> {
  const [first, ...rest] = argv;
  switch (first) {
    case undefined:
      process.stderr.write(overview());
      return ExitStatus.usage;
    case '--version':
      process.stdout.write(`weft ${packageVersion()}\n`);
      return ExitStatus.done;
    case '--help':
    case '-h':
    case 'help':
      return help(rest[0]);
  }
  if (first.startsWith('-')) throw usageError(`${first}: options follow the command (weft --help)`);
  const entry = findCommand(first);

  const command = await entry.load();
  const { values, positionals } = parseOptions(entry, command.options, rest);
  if (values.help === true) return help(entry.name);
  await command.run(
    new Context(
      entry.name,
      values,
      positionals,
      pathsOf(values),
      script,
      packageVersion(),
      COMMANDS,
    ),
  );
  return ExitStatus.done;
}

function findCommand(name: string): CommandEntry {
  const entry = COMMANDS.find((each) => each.name === name);
  if (entry !== undefined) return entry;
  const near = COMMANDS.find((each) => each.name.startsWith(name.slice(0, 3)));
  const hint = near === undefined ? '' : ` Did you mean ${near.name}?`;
  throw usageError(`unknown command '${name}'.${hint} weft --help lists them`);
}

function parseOptions(
  entry: CommandEntry,
  options: OptionSpecs,
  argv: readonly string[],
): { values: OptionValues; positionals: string[] } {
  try {
    return parseArgs({
      args: [...argv],
      options: { ...COMMON_OPTIONS, ...options },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    const reason = messageOf(error).split('. ')[0];
    throw usageError(`${reason} (see weft ${entry.name} --help)`);
  }
}

async function help(name: string | undefined): Promise<number> {
  if (name === undefined) {
    process.stdout.write(overview());
    return ExitStatus.done;
  }
  const entry = findCommand(name);
  const { help: text } = await entry.load();
  process.stdout.write(`${entry.name}: ${entry.summary}\n\n${text}${COMMON_HELP}`);
  return ExitStatus.done;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `Usage: weft COMMAND [OPTIONS]        weft COMMAND --help explains a command

A mesh of WireGuard tunnels without a server.

${lines.join('')}
A first mesh, as root:
  host A:  weft init --name a && weft up -d && weft invite > token
  host B:  weft join - --name b < token && weft up -d
  host B:  weft status; ping -c 1 ADDRESS-OF-A
${COMMON_HELP}`;
}

function pathsOf(values: OptionValues): NodePaths {
  const { env } = process;
  const pick = (option: string, variable: string | undefined, fallback: string) =>
    resolve(String(values[option] ?? (variable || fallback)));
  return {
    config: pick('config', env.WEFT_CONFIG, DEFAULT_CONFIG_PATH),
    state: pick('state-dir', env.WEFT_STATE_DIR, DEFAULT_STATE_DIRECTORY),
    run: pick('run-dir', env.WEFT_RUN_DIR, DEFAULT_RUN_DIRECTORY),
    uapi: env.WEFT_UAPI_DIR || SOCKET_DIRECTORY,
  };
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
