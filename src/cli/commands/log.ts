// weft log: the last lines of the running node's log.

import { formatLogLine, type LogLine } from '../../node/mesh-log.js';
import { type Command, usageError } from '../command.js';

export const log: Command = {
  help: `Usage: weft log [-n LINES] [-f]

The node keeps its last 1,000 lines while it runs; under systemd the journal has them all. LogLevel in weft.conf says which
are written; weft reload changes it.

  -n, --lines LINES   how many (default 100)
  -f, --follow        go on as lines come
`,
  options: { lines: { type: 'string', short: 'n' }, follow: { type: 'boolean', short: 'f' } },
  async run(context) {
    context.arguments(0, 0, 'weft log takes options only');
    const lines = context.text('lines') ?? '100';
    if (!/^[0-9]{1,5}$/.test(lines)) throw usageError(`--lines ${lines}: give a number`);
    const parameters = { lines: Number(lines), follow: context.flag('follow') };
    await context.ask('log', parameters, {
      onEvent: (event) => context.print(event as LogLine, (line) => `${formatLogLine(line)}\n`),
    });
  },
};
