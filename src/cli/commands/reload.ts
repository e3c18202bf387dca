// weft reload: the running node takes in what is in its files.

import type { ReloadResult } from '../../node/mesh-node.js';
import type { Command } from '../command.js';

export const reload: Command = {
  help: `Usage: weft reload

Reads weft.conf, trusted.d, the certificate and the revocations again and applies what has changed, without touching
tunnels that have not. If any of it is wrong, nothing is applied. Device and Name change with weft down, weft up only.
`,
  options: {},
  async run(context) {
    context.arguments(0, 0, 'weft reload takes options only');
    const result = (await context.ask('reload')) as ReloadResult;
    context.print(result, ({ changes }) =>
      changes.length === 0 ? 'nothing has changed\n' : `applied: ${changes.join(', ')}\n`,
    );
  },
};
