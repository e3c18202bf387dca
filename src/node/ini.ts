// Text of wg-quick's configuration style to sections and entries, each with its line number. What the keys mean is
// config.ts.

import { WeftError } from '../core/errors.js';

export interface IniEntry {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

export interface IniSection {
  readonly name: string;
  readonly line: number;
  readonly entries: readonly IniEntry[];
}

/** A mistake in a file, where it is, and what to do about it. */
export function configError(fileName: string, line: number, message: string): WeftError {
  return new WeftError('ECONFIG', `${fileName}:${line}: ${message}`);
}

/**
 * Comments begin with '#' and go to the end of the line, as wg has them.
 * @throws WeftError ECONFIG: a line that is neither a section nor "Key = value"
 */
export function parseIni(text: string, fileName: string): IniSection[] {
  const sections: { name: string; line: number; entries: IniEntry[] }[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1;
    const content = raw.replace(/#.*/, '').trim();
    if (content === '') continue;
    const header = /^\[([^\]]*)\]$/.exec(content);
    if (header !== null) {
      sections.push({ name: header[1]?.trim() ?? '', line, entries: [] });
      continue;
    }
    const entry = /^([A-Za-z0-9]+)\s*=\s*(.*)$/.exec(content);
    if (entry === null) {
      const what = content.includes('=') ? 'no key before the "="' : 'no "="';
      throw configError(fileName, line, `${what}: write "Key = value" or "[Section]"`);
    }
    const section = sections.at(-1);
    if (section === undefined) {
      throw configError(
        fileName,
        line,
        `'${entry[1]}' before the first section: put [Interface] above it`,
      );
    }
    section.entries.push({ key: entry[1] ?? '', value: entry[2]?.trim() ?? '', line });
  }
  return sections;
}
