// weft bugreport: what somebody who is to find a fault needs to know. Secrets are in none of it.

import { execFile } from 'node:child_process';
import { arch, cpus, release, totalmem } from 'node:os';
import { parseAddress } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import { readTextIfThere } from '../../node/atomic-file.js';
import { formatLogLine, type LogLine } from '../../node/mesh-log.js';
import { CONFIG_LIMITS } from '../../node/settings.js';
import type { Command, Context } from '../command.js';

const LOG_LINES = 500;
const COMMAND_TIMEOUT_MS = 5_000;

export const bugreport: Command = {
  help: `Usage: weft bugreport [--redact]

Prints versions, weft.conf, status, counters, the kernel's view of the interface, and the last lines of the log. Keys and
invites are never in it.

  --redact            addresses and identities are replaced as well, the same one by the same word
`,
  options: { redact: { type: 'boolean' } },
  async run(context) {
    context.arguments(0, 0, 'weft bugreport takes options only');
    const sections = await gather(context);
    const hide = context.flag('redact') ? redactor() : (text: string) => text;
    const hidden = sections.map(({ title, text }) => ({ title, text: hide(hideKeys(text)) }));
    context.print(Object.fromEntries(hidden.map(({ title, text }) => [title, text])), () =>
      hidden.map(({ title, text }) => `== ${title}\n${text.trimEnd()}\n\n`).join(''),
    );
  },
};

interface Section {
  readonly title: string;
  readonly text: string;
}

async function gather(context: Context): Promise<Section[]> {
  const { device, paths, version } = context;
  const log: string[] = [];
  const attempt = async (work: () => Promise<string>) => {
    try {
      return await work();
    } catch (error) {
      return `(${messageOf(error)})`;
    }
  };
  const asJson = (command: string) =>
    attempt(async () => JSON.stringify(await context.ask(command), null, 2));
  await attempt(async () => {
    const onEvent = (event: unknown) => log.push(formatLogLine(event as LogLine));
    await context.ask('log', { lines: LOG_LINES, follow: false }, { onEvent });
    return '';
  });
  const system = [
    `weft ${version}, node ${process.version}, ${arch()}, Linux ${release()}`,
    `${cpus().length} CPUs (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 1e6)} MB`,
  ];
  return [
    { title: 'system', text: system.join('\n') },
    { title: 'weft.conf', text: readTextIfThere(paths.config, CONFIG_LIMITS) ?? '(none)' },
    { title: 'status', text: await asJson('status') },
    { title: 'paths', text: await asJson('paths') },
    { title: 'counters', text: await asJson('counters') },
    { title: 'ip address', text: await output(['ip', 'address', 'show', 'dev', device]) },
    { title: 'ip route', text: await output(['ip', 'route', 'show', 'dev', device]) },
    { title: 'ip rule', text: await output(['ip', 'rule']) },
    { title: 'log', text: log.join('\n') || '(none)' },
  ];
}

function output([file = '', ...argv]: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, argv, { timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve(error === null ? stdout : `(${stderr.trim() || error.message})`);
    });
  });
}

/** Whatever could be a secret: what keys are given to, in comments too, and invites. */
export function hideKeys(text: string): string {
  return text
    .replaceAll(/^([\s#;]*(?:PresharedKey|PrivateKey)\s*=\s*).*$/gim, '$1(hidden)')
    .replaceAll(/weft1:[A-Za-z0-9_-]+/g, 'weft1:(hidden)');
}

/** Replaces addresses and identities: the same one always by the same word. */
export function redactor(): (text: string) => string {
  const words = new Map<string, string>();
  const wordFor = (kind: string, found: string) => {
    const word = words.get(found) ?? `<${kind}-${words.size + 1}>`;
    words.set(found, word);
    return word;
  };
  return (text) =>
    text
      .replaceAll(/\b[0-9a-f]{64}\b/g, (id) => wordFor('id', id))
      .replaceAll(/[A-Za-z0-9+/]{43}=/g, (key) => wordFor('key', key))
      // what looks like an address and is one: a time is not
      .replaceAll(/(?<![\w:.])[0-9a-f:.]{2,45}(?!\w)/gi, (found) => {
        const [, address = '', rest = ''] = /^(.*?)([.:]*)$/.exec(found) ?? [];
        return parseAddress(address) === null ? found : `${wordFor('ip', address)}${rest}`;
      })
      .replaceAll(/(?<![\w:.])((?:[0-9]{1,3}\.){3}[0-9]{1,3})(?=:[0-9])/g, (ip) =>
        wordFor('ip', ip),
      );
}
