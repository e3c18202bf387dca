// weft status: what the running node knows.

import { setTimeout as delay } from 'node:timers/promises';
import type { BondSummary, UplinkReport } from '../../node/bond-status.js';
import type {
  MemberStatus,
  NodeStatus,
  StaticPeerStatus,
  TunnelStatus,
} from '../../node/status.js';
import type { Command, Context } from '../command.js';
import { formatBytes, formatMs, formatRate, formatSeconds, table } from '../format.js';

export const status: Command = {
  help: `Usage: weft status [MEMBER] [--watch]

The node, its members, and how each is reached. MEMBER is a name, an address, or the first digits of an id.

  STATE      direct: alive and reached directly; suspect: did not answer, is given time; dead: no answer to anybody.
             left: went of its own accord; wg-peer: a plain WireGuard device. Tunnels of suspect and dead members stay.
  VIA        the endpoint that packets go to
  PATHS      of its bond, where there is one: how many are active, and what arrives by them (weft path ls)
  RTT        of probes through gossip
  RX/TX      bytes through the tunnel; HANDSHAKE: how long ago (-: nothing was sent yet)

  -w, --watch         again each second
`,
  options: { watch: { type: 'boolean', short: 'w' } },
  run,
};

async function run(context: Context): Promise<void> {
  const [member] = context.arguments(0, 1, 'weft status [MEMBER]');
  for (;;) {
    if (member === undefined) {
      const result = (await context.ask('status')) as NodeStatus;
      if (context.flag('watch') && !context.json) context.write('\x1b[H\x1b[2J');
      context.print(result, formatStatus);
    } else {
      const result = (await context.ask('member', { member })) as MemberStatus;
      if (context.flag('watch') && !context.json) context.write('\x1b[H\x1b[2J');
      context.print(result, formatMember);
    }
    if (!context.flag('watch')) return;
    await delay(1_000);
  }
}

export function formatStatus(node: NodeStatus): string {
  const { awareness, members: counts } = node.health;
  const health = awareness === 0 ? 'ok' : 'degraded: its own probes fail';
  const lines = [
    [node.name, ...node.addresses, `up ${formatSeconds(node.uptimeMs / 1000)}`].join('  '),
    `port     ${node.listenPort} on ${node.endpoints.join(' ') || 'no address that others could reach'}`,
    `members  ${counts.alive} alive  ${counts.suspect} suspect  ${counts.dead} dead  ${counts.left} left    health: ${health} (awareness ${awareness})`,
    `trust    ${formatTrust(node)}`,
  ];
  if (node.routes.length > 0) lines.push(`offers   ${node.routes.join(' ')}`);
  if (node.uplinks.length > 1) lines.push(`uplinks  ${node.uplinks.map(formatUplink).join('  ')}`);
  const rows = [HEADER, ...node.members.map(memberRow), ...node.peers.map(peerRow)];
  // most meshes have no bonds: no column for nothing
  const isBonded = node.members.some(({ bond }) => bond !== null);
  const shown = isBonded ? rows : rows.map((row) => row.filter((_, i) => i !== PATHS_COLUMN));
  const body = rows.length === 1 ? `no other members yet: ${invitation(node)}\n` : table(shown);
  const warnings = node.warnings.map((warning) => `! ${warning}\n`).join('');
  return `${lines.join('\n')}\n\n${body}${warnings}`;
}

/** How others become members. */
function invitation({ trust }: NodeStatus): string {
  if (trust.authorities.length > 0) return 'weft invite';
  return 'weft trust add here and there, and a Seed in weft.conf of one of the two (docs/configuration.md)';
}

const HEADER = ['NODE', 'ADDRESS', 'STATE', 'VIA', 'PATHS', 'RTT', 'RX/TX', 'HANDSHAKE'];
const PATHS_COLUMN = HEADER.indexOf('PATHS');

function formatUplink({ name, role }: UplinkReport): string {
  return role === 'normal' ? name : `${name} (${role})`;
}

function formatBond(bond: BondSummary | null): string {
  if (bond === null) return '-';
  const { active, paths, deliveredBitsPerSecond } = bond;
  return `${active}/${paths} ${formatRate(deliveredBitsPerSecond)}`;
}

function formatTrust({ trust }: NodeStatus): string {
  const parts = [`${trust.nodes} ${trust.nodes === 1 ? 'key' : 'keys'}`];
  const names = trust.authorities.map(({ id, name }) => name ?? id.slice(0, 12));
  parts.push(names.length === 0 ? 'no authority' : `authority ${names.join(', ')}`);
  if (trust.certificate !== null) {
    const { expiresInDays, mayIssue } = trust.certificate;
    parts.push(`certificate expires in ${expiresInDays}d${mayIssue ? ', may issue' : ''}`);
  }
  return parts.join(', ');
}

function memberRow(member: MemberStatus): string[] {
  const { name, addresses, state, rttMs, stateForMs, path } = member;
  const since = formatSeconds(stateForMs / 1000);
  const shown = state === 'alive' ? path : `${state} ${since}`;
  return [
    name,
    addresses[0] ?? '-',
    shown,
    member.endpoint ?? '-',
    formatBond(member.bond),
    formatMs(rttMs),
    ...tail(member),
  ];
}

function peerRow(peer: StaticPeerStatus): string[] {
  const name = peer.name ?? peer.publicKey.slice(0, 8);
  const address = peer.allowedIps[0] ?? '-';
  return [name, address, 'wg-peer', peer.endpoint ?? '-', '-', '-', ...tail(peer)];
}

function tail({ rxBytes, txBytes, handshakeAgoSeconds }: TunnelStatus): string[] {
  const handshake = handshakeAgoSeconds === null ? '-' : formatSeconds(handshakeAgoSeconds);
  return [`${formatBytes(rxBytes)} / ${formatBytes(txBytes)}`, handshake];
}

function formatMember(member: MemberStatus): string {
  const ago = (ms: number | null) => (ms === null ? 'never' : `${formatSeconds(ms / 1000)} ago`);
  const trusted =
    member.trustedBy === null
      ? 'no longer'
      : `by ${member.trustedBy}${member.expiresInDays === null ? '' : `, expires in ${member.expiresInDays}d`}`;
  return table([
    ['name', member.name],
    ['id', member.id],
    ['state', `${member.state} for ${formatSeconds(member.stateForMs / 1000)}`],
    ['heard', ago(member.lastHeardAgoMs)],
    ['paths', formatBond(member.bond)],
    ['rtt', formatMs(member.rttMs)],
    ['addresses', member.addresses.join(' ')],
    ['routes', member.routes.join(' ') || '-'],
    ['groups', member.groups.join(' ') || '-'],
    ['trusted', trusted],
    ['public key', member.publicKey],
    ['allowed ips', member.allowedIps.join(' ')],
    ['endpoint', member.endpoint ?? '-'],
    ['rx / tx', `${formatBytes(member.rxBytes)} / ${formatBytes(member.txBytes)}`],
    [
      'handshake',
      member.handshakeAgoSeconds === null
        ? 'none'
        : `${formatSeconds(member.handshakeAgoSeconds)} ago`,
    ],
  ]);
}
