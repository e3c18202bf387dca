// The ways that are worth trying between this host's uplinks and a peer's endpoints.

import { formatAddress } from '../core/address.js';
import { MAX_BOND_PATHS } from '../core/bond.js';
import { contains, isPrivate } from '../core/network.js';
import type { Endpoint, IpAddress, Path } from '../core/types.js';
import type { Uplink } from './uplink.js';

/** Places left for ways that only the peer can open, from behind its NATs. */
const MAX_RESERVED = 4;

/**
 * Each uplink with its best endpoint first, other pairs after, as many as there is room for.
 * @param endpoints of the peer, best first
 * @param remoteUplinks how many uplinks the peer has
 * @param isProven whether a way works already: those are not given up for others
 */
export function planWays(
  uplinks: readonly Uplink[],
  endpoints: readonly Endpoint[],
  remoteUplinks: number,
  isProven: (way: Path) => boolean,
): Path[] {
  const usable = uplinks.filter(({ role }) => role !== 'off');
  const plans = [4, 16].map((bytes) => {
    const remotes = rankEndpoints(
      endpoints.filter(({ address }) => address.length === bytes),
      usable,
    );
    return diagonals(usable, remotes);
  });
  const max = MAX_BOND_PATHS - Math.min(MAX_RESERVED, Math.max(1, remoteUplinks));
  const all = interleave(plans);
  const proven = all.filter(isProven);
  return [...proven, ...all.filter((way) => !proven.includes(way))].slice(0, max);
}

/** Every pair once; in each round every uplink has another endpoint. */
function diagonals(uplinks: readonly Uplink[], remotes: readonly Endpoint[]): Path[][] {
  return remotes.map((_, round) =>
    uplinks.flatMap((uplink, i): Path[] => {
      const remote = remotes[(round + i) % remotes.length];
      if (remote === undefined || !reaches(uplink, remote.address)) return [];
      const local = remote.address.length === 4 ? uplink.v4 : uplink.v6;
      return local === null ? [] : [{ remote, local, interfaceIndex: uplink.index }];
    }),
  );
}

/** Round by round, the families in turn. */
function interleave(plans: readonly Path[][][]): Path[] {
  const rounds = Math.max(0, ...plans.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) =>
    plans.flatMap((plan) => plan[round] ?? []),
  ).flat();
}

/** What is on a link of ours, or public, before private addresses of somewhere else. */
function rankEndpoints(endpoints: readonly Endpoint[], uplinks: readonly Uplink[]): Endpoint[] {
  const isNear = ({ address }: Endpoint) =>
    uplinks.some(({ connected }) => connected.some((prefix) => contains(prefix, address)));
  const near = endpoints.filter((each) => isNear(each) || !isPrivate(each.address));
  const far = endpoints.filter((each) => !near.includes(each));
  return [...near, ...far];
}

function reaches(uplink: Uplink, address: IpAddress): boolean {
  if (address.length === 4 ? uplink.defaultV4 : uplink.defaultV6) return true;
  return uplink.connected.some((prefix) => contains(prefix, address));
}

/** The uplink that a way leaves by; undefined: none of ours any more. */
export function uplinkOf(uplinks: readonly Uplink[], way: Path): Uplink | undefined {
  const { local, interfaceIndex } = way;
  const byIndex = uplinks.find(({ index }) => index === interfaceIndex);
  if (byIndex !== undefined || local === null) return byIndex;
  const text = formatAddress(local);
  return uplinks.find(({ v4, v6 }) =>
    [v4, v6].some((address) => address !== null && formatAddress(address) === text),
  );
}
