// Options of every command of `weft`.

import type { OptionSpecs } from './command.js';

export const COMMON_OPTIONS: OptionSpecs = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  interface: { type: 'string', short: 'i' },
  config: { type: 'string' },
  'state-dir': { type: 'string' },
  'run-dir': { type: 'string' },
};
