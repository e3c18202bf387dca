// weft-wg: wireguard-go's command line. The launching process only parses arguments and waits for the daemon; the node
// is loaded in the process that serves it.

import { readFileSync } from 'node:fs';
import { messageOf } from '../core/errors.js';
import { parseArguments, USAGE } from './arguments.js';
import { launchDaemon, launcher } from './daemon.js';

/**
 * Runs one command.
 * @param script what to start the daemon with: the launcher's absolute path
 * @returns the exit status; 1 after one line on stderr
 */
export async function main(argv: readonly string[], script: string): Promise<number> {
  const command = parseArguments(argv, process.env);
  switch (command.type) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'version':
      process.stdout.write(`weft-wg ${packageVersion()}\n`);
      return 0;
    case 'misuse':
      return failed(`${command.message} (see weft-wg --help)`);
    case 'counters': {
      const { printCounters } = await import('./counters.js');
      return printCounters(command.interfaceName).then(() => 0, failed);
    }
    case 'watch': {
      const { watchCounters } = await import('./counters.js');
      return watchCounters(command.interfaceName).catch(failed);
    }
    case 'run':
      if (command.foreground) return serveHere(command.interfaceName);
      return launchDaemon(script, [command.interfaceName]).then(() => 0, failed);
  }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function failed(reason: unknown): number {
  process.stderr.write(`weft-wg: ${messageOf(reason)}\n`);
  return 1;
}

async function serveHere(interfaceName: string): Promise<number> {
  const parent = launcher();
  let ready = false;
  try {
    const { serve } = await import('./serve.js');
    await serve(interfaceName, () => {
      ready = true;
      parent?.ready();
    });
    return 0;
  } catch (error) {
    if (parent === null || ready) return failed(error);
    parent.failed(messageOf(error));
    return 1;
  }
}
