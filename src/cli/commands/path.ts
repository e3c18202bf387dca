// weft path: the uplinks of this node and the paths of its bonds: which are used, why, and orders about them.

import type { PathOrder } from '../../node/bond-peer.js';
import type { BondReport, PathReport, PathsResult, UplinkReport } from '../../node/bond-status.js';
import { type Command, type Context, usageError } from '../command.js';
import { formatBytes, formatMs, formatRate, formatSeconds, table } from '../format.js';

const USAGE = 'weft path ls|explain|pin|unpin|drain|undrain (see weft path --help)';

export const path: Command = {
  help: `Usage: weft path ls [PEER]
       weft path explain PEER [PATH]
       weft path pin|drain PEER PATH
       weft path unpin PEER
       weft path undrain PEER [PATH]

Several uplinks between this node and a peer, used as one (docs/bond.md). PEER is a name, an address, or the first digits of
an id; PATH is a number of the list, or an uplink's name, which means all its paths.

  ls        uplinks and paths: STATE active, standby (used when others fail), off, excluded (lossy or dead, probed until it is
            well), trying (no answer yet); SHARE of what is sent now; RATE what it is believed to carry; DELAY round trip, and
            how much later than by the fastest path a packet arrives; WEIGHT how much of the rate it is trusted with
  explain   all that is known of each path, and the reasons of the last decisions
  pin       what is sent to the peer goes by this path alone, while it works
  drain     nothing goes by this path; it is still measured

Orders concern what this node sends, and hold until they are taken back or the node ends. weft.conf has those that last.
`,
  options: {},
  async run(context) {
    const [what, ...rest] = context.positionals;
    switch (what) {
      case 'ls':
        context.arguments(1, 2, 'weft path ls [PEER]');
        return list(context, rest[0]);
      case 'explain':
        context.arguments(2, 3, 'weft path explain PEER [PATH]');
        return explain(context, rest[0], rest[1] ?? null);
      case 'pin':
      case 'drain':
        context.arguments(3, 3, `weft path ${what} PEER PATH`);
        return order(context, what, rest);
      case 'unpin':
        context.arguments(2, 2, 'weft path unpin PEER');
        return order(context, what, rest);
      case 'undrain':
        context.arguments(2, 3, 'weft path undrain PEER [PATH]');
        return order(context, what, rest);
      default:
        throw usageError(USAGE);
    }
  },
};

async function list(context: Context, member: string | undefined): Promise<void> {
  context.print(await askPaths(context, member), formatPaths);
}

async function explain(
  context: Context,
  member: string | undefined,
  wanted: string | null,
): Promise<void> {
  const result = await askPaths(context, member);
  const isWanted = ({ id, uplink }: PathReport) =>
    wanted === null || String(id) === wanted || uplink === wanted;
  const bonds = result.bonds.map((bond) => ({ ...bond, paths: bond.paths.filter(isWanted) }));
  const isMissing = bonds.length > 0 && bonds.every(({ paths }) => paths.length === 0);
  if (wanted !== null && isMissing) {
    throw usageError(`no path ${wanted}: weft path ls lists them`);
  }
  context.print({ ...result, bonds }, () => explainPaths(result, isWanted));
}

async function askPaths(context: Context, member: string | undefined): Promise<PathsResult> {
  return (await context.ask('paths', member === undefined ? {} : { member })) as PathsResult;
}

async function order(
  context: Context,
  what: PathOrder,
  [member, selected]: readonly string[],
): Promise<void> {
  const parameters = { member, order: what, ...(selected !== undefined && { path: selected }) };
  await context.ask('path-order', parameters);
  const done = { pin: 'pinned', unpin: 'unpinned', drain: 'drained', undrain: 'undrained' }[what];
  context.print({ order: what, member, path: selected ?? null }, () =>
    selected === undefined ? `${member}: ${done}\n` : `${member}: ${selected} ${done}\n`,
  );
}

// --- ls ---

export function formatPaths(result: PathsResult): string {
  const uplinks = table([UPLINK_HEADER, ...result.uplinks.map(uplinkRow)]);
  const rows = result.bonds.flatMap((bond) => bond.paths.map((each) => pathRow(bond, each)));
  const head = result.uplinks.length === 0 ? `${NO_UPLINKS}\n` : uplinks;
  if (rows.length > 0) return `${head}\n${table([PATH_HEADER, ...rows])}`;
  return `${head}\nno bond: ${result.reason ?? NO_BOND}\n`;
}

const NO_BOND =
  'it needs a second uplink here or at a peer, and a peer that offers bonds (weft path explain PEER says which is missing)';
const NO_UPLINKS =
  'no uplinks: no interface has a default route, or none that an [Uplink] lists is there (docs/bond.md)';
const UPLINK_HEADER = ['UPLINK', 'ADDRESSES', 'ROLE', 'QUOTA'];
const PATH_HEADER = [
  'PEER',
  'PATH',
  'UPLINK',
  'REMOTE',
  'STATE',
  'SHARE',
  'RATE',
  'DELAY',
  'LOSS',
  'WEIGHT',
];

function uplinkRow({ name, role, addresses, quota, usedBytes, spent }: UplinkReport): string[] {
  const used = quota === null ? '-' : `${formatBytes(usedBytes ?? 0)} of ${quota}`;
  return [name, addresses.join(' '), role, spent ? `${used}, spent` : used];
}

function pathRow({ member }: BondReport, each: PathReport): string[] {
  const { id, uplink, remote, state, share, rttMs, delayDifferenceMs, loss, weight } = each;
  return [
    member,
    `${id}`,
    uplink ?? '-',
    remote,
    state,
    `${Math.round(share * 100)}%`,
    state === 'trying' ? '-' : formatRate(each.rateBitsPerSecond),
    rttMs === null ? '-' : `${formatMs(rttMs)} +${formatMs(delayDifferenceMs)}`,
    state === 'trying' ? '-' : formatLoss(loss),
    `${weight}%`,
  ];
}

function formatLoss(share: number): string {
  return share === 0 ? '0%' : `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}%`;
}

// --- explain ---

/** @param isWanted which paths are explained; those of a bond are counted all the same */
export function explainPaths(
  { bonds, reason }: PathsResult,
  isWanted: (path: PathReport) => boolean,
): string {
  if (bonds.length === 0) return `no bond: ${reason ?? NO_BOND}\n`;
  return bonds.map((bond) => explainBond(bond, isWanted)).join('\n');
}

function explainBond(bond: BondReport, isWanted: (path: PathReport) => boolean): string {
  const active = bond.paths.filter(({ state }) => state === 'active').length;
  const { buffered, late, provenLost, timedOut, longestHoldMs } = bond;
  const head = table([
    [bond.member, `mode ${bond.mode}, ${active} of ${bond.paths.length} paths active`],
    [
      'order',
      `${buffered} packets wait, longest wait ${formatMs(longestHoldMs)}; ${late} late, ${provenLost} lost, ${timedOut} given up`,
    ],
  ]);
  return `${head}${bond.paths.filter(isWanted).map(explainPath).join('')}`;
}

function explainPath(each: PathReport): string {
  const heard =
    each.lastReceivedAgoMs === null
      ? 'never'
      : `${formatSeconds(each.lastReceivedAgoMs / 1000)} ago`;
  const way = `${each.uplink ?? 'no uplink'} ${each.local ?? 'any'} -> ${each.remote}`;
  const [first = 'nothing speaks against it', ...more] = each.reasons;
  const rows = [
    ['why', first],
    ...more.map((text) => ['', text]),
    ['weight', `${each.weight}% (${each.points} points), role ${each.role}`],
    [
      'rate',
      `${formatRate(each.rateBitsPerSecond)} believed, ${formatRate(each.offeredBitsPerSecond)} sent, ${formatRate(each.deliveredBitsPerSecond)} arrived`,
    ],
    [
      'delay',
      `round trip ${formatMs(each.rttMs)} (least ${formatMs(each.minRttMs)}), queue ${formatMs(each.queueDelayMs)}, jitter ${formatMs(each.jitterMs)}, ${formatMs(each.delayDifferenceMs)} behind the fastest`,
    ],
    [
      'loss',
      `${formatLoss(each.loss)} now; ${each.lostPackets} of ${each.sentPackets} packets in all, ${each.repairedPackets} sent again`,
    ],
    [
      'carried',
      `${formatBytes(each.sentBytes)} sent, ${formatBytes(each.receivedBytes)} received, heard ${heard}, MTU ${each.mtu || '-'}`,
    ],
  ];
  const share = each.state === 'active' ? `, ${Math.round(each.share * 100)}% of what is sent` : '';
  const body = table(rows.map(([name = '', text = '']) => ['   ', name, text]));
  return `\npath ${each.id}  ${way}  ${each.state}${share}\n${body}`;
}
