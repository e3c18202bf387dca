// weft invite: prints an invite, which lets another host join.

import { parseEndpoint } from '../../core/address.js';
import { type InviteSummary, MAX_INVITE_USES } from '../../mesh/invite.js';
import { isNodeName } from '../../mesh/record.js';
import { resolveZone } from '../../node/system.js';
import { type Command, type Context, usageError } from '../command.js';
import { formatSeconds, table } from '../format.js';
import { durationOption, routeOption } from './init.js';

export const invite: Command = {
  help: `Usage: weft invite [OPTIONS]
       weft invite --list | --cancel ID

Prints an invite, one line, for weft join on another host. It is a secret: whoever has it can become a member. This node
must be running when it is used, and must have the authority's key, or a certificate with --can-issue.

  --name NAME         the name that the joiner must take (default: its choice)
  --expires TIME      how long it can be used, such as 30m or 7d (default 24h)
  --uses N            how many nodes may use it (default 1)
  --group GROUP       in the joiner's certificate; repeatable
  --route PREFIX      a network that the joiner may carry to; repeatable
  --lifetime TIME     of the joiner's certificate (default 1y)
  --endpoint ADDRESS:PORT   where the joiner reaches this node (default: where it knows it is); repeatable
  --list              invites that can be used, or were of late
  --cancel ID         an invite can be used no more; who has joined stays (weft authority revoke)
`,
  options: {
    name: { type: 'string' },
    expires: { type: 'string' },
    uses: { type: 'string' },
    group: { type: 'string', multiple: true },
    route: { type: 'string', multiple: true },
    lifetime: { type: 'string' },
    endpoint: { type: 'string', multiple: true },
    list: { type: 'boolean' },
    cancel: { type: 'string' },
  },
  run,
};

async function run(context: Context): Promise<void> {
  context.arguments(0, 0, 'weft invite takes options only');
  if (context.flag('list')) {
    context.print((await context.ask('invites')) as InviteSummary[], formatInvites);
    return;
  }
  const cancelled = context.text('cancel');
  if (cancelled !== undefined) {
    const result = (await context.ask('cancel-invite', { id: cancelled })) as { id: string };
    context.print(result, ({ id }) => `${id} can be used no more\n`);
    return;
  }
  const result = (await context.ask('invite', parameters(context))) as { token: string };
  context.print(result, ({ token }) => `${token}\n`);
}

function parameters(context: Context): Record<string, unknown> {
  const name = context.text('name');
  if (name !== undefined && !isNodeName(name)) {
    throw usageError(`--name ${name}: a DNS label, a-z, 0-9 and hyphens, up to 63`);
  }
  const uses = context.text('uses') ?? '1';
  if (!/^[1-9][0-9]{0,3}$/.test(uses) || Number(uses) > MAX_INVITE_USES) {
    throw usageError(`--uses ${uses}: give 1 to ${MAX_INVITE_USES}`);
  }
  const routes = context.list('route');
  routes.forEach(routeOption);
  const endpoints = context.list('endpoint');
  const wrong = endpoints.find((each) => parseEndpoint(each, resolveZone) === null);
  if (wrong !== undefined) {
    throw usageError(`--endpoint ${wrong}: give ADDRESS:PORT or [IPV6]:PORT`);
  }
  return {
    lifetimeSeconds: durationOption(context, 'expires', '24h'),
    certificateSeconds: durationOption(context, 'lifetime', '1y'),
    uses: Number(uses),
    groups: context.list('group'),
    routes,
    endpoints,
    ...(name !== undefined && { name }),
  };
}

function formatInvites(invites: readonly InviteSummary[]): string {
  if (invites.length === 0) return 'no invites\n';
  const rows = invites.map(({ id, name, groups, uses, usesLeft, expiresAt, joiners }) => [
    id.slice(0, 12),
    name ?? 'any',
    groups.join(',') || '-',
    `${usesLeft} of ${uses}`,
    usesLeft === 0 ? '-' : `in ${formatSeconds(expiresAt - Date.now() / 1000)}`,
    joiners.map((joiner) => joiner.name).join(',') || '-',
  ]);
  return table([['ID', 'NAME', 'GROUPS', 'LEFT', 'EXPIRES', 'JOINED'], ...rows]);
}
