// weft ping: probes a member through gossip, below the tunnel.

import { WeftError } from '../../core/errors.js';
import { type Command, type Context, usageError } from '../command.js';
import { formatMs } from '../format.js';

interface Pong {
  readonly sequence: number;
  readonly rttMs: number | null;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly endpoint: string | null;
  readonly path: string;
  readonly state: string;
}

interface Summary {
  readonly name: string;
  readonly sent: number;
  readonly received: number;
}

export const ping: Command = {
  help: `Usage: weft ping MEMBER [-c COUNT]

Probes a member: by gossip, outside of the tunnel, so that it tells a dead member from a broken tunnel. MEMBER is a
name, an address, or the first digits of an id. Exit status 1 if nothing came back. The ping program tests the tunnel.

  -c, --count COUNT   probes (default 4)
  --interval MS       between them (default 1000)
`,
  options: { count: { type: 'string', short: 'c' }, interval: { type: 'string' } },
  run,
};

async function run(context: Context): Promise<void> {
  const [member] = context.arguments(1, 1, 'weft ping MEMBER');
  const number = (name: string, fallback: number, max: number) => {
    const text = context.text(name) ?? String(fallback);
    const value = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
    if (value <= max) return value;
    throw usageError(`--${name} ${text}: give a number up to ${max}`);
  };
  const count = number('count', 4, 1_000);
  if (count === 0) throw usageError('--count 0: give at least 1');
  const intervalMs = number('interval', 1_000, 3_600_000);
  const parameters = { member, count, intervalMs };
  const summary = (await context.ask('ping', parameters, {
    onEvent: (event) => context.print(event as Pong, formatPong),
  })) as Summary;
  context.print(summary, ({ sent, received }) => `${sent} sent, ${received} received\n`);
  if (summary.received > 0) return;
  throw new WeftError(
    'ENOANSWER',
    `${summary.name} did not answer: see weft status ${summary.name}`,
  );
}

function formatPong({ sequence, rttMs, name, endpoint, path, state }: Pong): string {
  const where = endpoint === null ? name : `${name} via ${endpoint} (${path})`;
  return rttMs === null
    ? `${sequence}: no answer from ${where}, ${state}\n`
    : `${sequence}: ${where} ${formatMs(rttMs)}\n`;
}
