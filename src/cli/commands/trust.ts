// weft trust: the keys in trusted.d.

import { basename } from 'node:path';
import { WeftError } from '../../core/errors.js';
import { formatTrustedKey, parseTrustedKey, type TrustedKey } from '../../mesh/trusted-key.js';
import { StateStore } from '../../node/state-store.js';
import { type Command, type Context, readInput, usageError } from '../command.js';
import { table } from '../format.js';

const ADD_USAGE = 'weft trust add - | FILE | node ID | authority ID (see weft trust --help)';

export const trust: Command = {
  help: `Usage: weft trust add - | FILE | node ID [name=NAME] [routes=PREFIX,...] | authority ID [name=NAME]
       weft trust rm NAME
       weft trust ls

Whom this node accepts besides those with a certificate of an authority it trusts: a key a file in trusted.d. weft show
prints the line for a node. A running node applies changes at once; without any key it accepts nobody.

  --as NAME           name of the file (default: the key's name, else the first digits of its id)
`,
  options: { as: { type: 'string' } },
  async run(context) {
    const [what, ...rest] = context.positionals;
    switch (what) {
      case 'add':
        return add(context, rest);
      case 'rm':
        context.arguments(2, 2, 'weft trust rm NAME');
        return remove(context, rest[0] ?? '');
      case 'ls':
        context.arguments(1, 1, 'weft trust ls');
        return list(context);
      default:
        throw usageError('weft trust add, rm or ls (see weft trust --help)');
    }
  },
};

interface Entry {
  readonly file: string;
  readonly key: TrustedKey;
}

function entries(store: StateStore): Entry[] {
  return store.readTrusted().map(({ fileName, text }) => ({
    file: basename(fileName, '.pub'),
    key: parseTrustedKey(text, fileName),
  }));
}

async function add(context: Context, words: readonly string[]): Promise<void> {
  const [source] = words;
  if (source === undefined) throw usageError(`too few arguments: ${ADD_USAGE}`);
  const key = await readKey(source, words);
  const store = new StateStore(context.paths.state);
  store.prepare();
  const known = entries(store).find((entry) => entry.key.id === key.id);
  const file = context.text('as') ?? known?.file ?? key.name ?? key.id.slice(0, 16);
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(file)) {
    throw usageError(`--as ${file}: letters, digits, hyphens and underscores`);
  }
  const other = entries(store).find((entry) => entry.file === file && entry.key.id !== key.id);
  if (other !== undefined) {
    throw new WeftError(
      'EEXISTS',
      `${file} is another key: choose a name with --as, or weft trust rm ${file}`,
    );
  }
  store.writeTrusted(file, formatTrustedKey(key));
  await context.askIfRunning('reload');
  context.print({ file, ...describe(key) }, () => `${key.kind} ${file} is trusted\n`);
}

async function readKey(source: string, words: readonly string[]): Promise<TrustedKey> {
  if (source === 'node' || source === 'authority') {
    return parseTrustedKey(words.join(' '), 'weft trust add');
  }
  if (words.length > 1) throw usageError(`too many arguments: ${ADD_USAGE}`);
  return parseTrustedKey(await readInput(source), source === '-' ? 'standard input' : source);
}

async function remove(context: Context, wanted: string): Promise<void> {
  const store = new StateStore(context.paths.state);
  const matches = entries(store).filter(
    ({ file, key }) =>
      file === wanted || key.name === wanted || (wanted.length >= 4 && key.id.startsWith(wanted)),
  );
  const [found, other] = matches;
  if (found === undefined || other !== undefined) {
    const what = other === undefined ? 'no key' : 'more than one key';
    throw new WeftError('ENOKEY', `${what} '${wanted}': weft trust ls lists them`);
  }
  store.removeTrusted(found.file);
  await context.askIfRunning('reload');
  context.print({ file: found.file }, ({ file }) => `${file} is trusted no more\n`);
}

function list(context: Context): void {
  const found = entries(new StateStore(context.paths.state));
  context.print(
    found.map(({ file, key }) => ({ file, ...describe(key) })),
    (keys) =>
      keys.length === 0
        ? 'no keys: this node accepts nobody\n'
        : table([
            ['FILE', 'KIND', 'NAME', 'ID'],
            ...keys.map(({ file, kind, name, id }) => [file, kind, name ?? '-', id]),
          ]),
  );
}

function describe({ kind, name, id }: TrustedKey) {
  return { kind, name, id };
}
