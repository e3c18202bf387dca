// weft down: asks the running node to leave the mesh and end.

import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '../../core/errors.js';
import type { Command, Context } from '../command.js';

const TIMEOUT_MS = 10_000;

export const down: Command = {
  help: `Usage: weft down

Tells the members that this node leaves, removes the interface, and returns when it is gone. The node remains a
member: weft up brings it back.
`,
  options: {},
  async run(context) {
    context.arguments(0, 0, 'weft down takes options only');
    await context.ask('down');
    await socketGone(context);
    context.print({ device: context.device }, ({ device }) => `${device} is down\n`);
  },
};

async function socketGone(context: Context): Promise<void> {
  const { socketPath } = context;
  for (let waitedMs = 0; existsSync(socketPath); waitedMs += 20) {
    if (waitedMs > TIMEOUT_MS) {
      throw new WeftError(
        'ETIMEOUT',
        `the node still runs after ${TIMEOUT_MS / 1000} s: see weft log`,
      );
    }
    await delay(20);
  }
}
