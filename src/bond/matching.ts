// Which paths are used where every local uplink could reach every endpoint of the peer: as many as the side with more
// uplinks has, each uplink with its best endpoint, each endpoint once where that is possible. The others stand by.

export interface MatchablePath {
  readonly id: number;
  readonly uplink: string;
  /** Text of the peer's endpoint. */
  readonly remote: string;
  readonly family: 4 | 6;
  /** The peer names this endpoint as that of an uplink; another one may be the same uplink, seen through a NAT. */
  readonly named: boolean;
  readonly rttMs: number | null;
  /** It was chosen before: another must be clearly better. */
  readonly chosen: boolean;
}

/** A path that is chosen already is only left for one that is faster by a fifth and this. */
const STICKY_MS = 5;
const STICKY_FACTOR = 0.8;

/**
 * @param paths those that may be used now
 * @param remoteUplinks how many uplinks the peer has, as far as is known
 * @returns ids
 */
export function matchPaths(
  paths: readonly MatchablePath[],
  remoteUplinks: number,
): ReadonlySet<number> {
  const family = mainFamily(paths, remoteUplinks);
  const isUnsure = ({ named }: MatchablePath) => (remoteUplinks > 1 && !named ? 1 : 0);
  const sorted = [...paths].sort((a, b) => isUnsure(a) - isUnsure(b) || cost(a) - cost(b));
  const ordered = sorted.filter((path) => path.family === family);
  const others = sorted.filter((path) => path.family !== family);
  const uplinks = new Set<string>();
  const remotes = new Set<string>();
  const chosen = new Set<number>();
  const take = (path: MatchablePath) => {
    uplinks.add(path.uplink);
    remotes.add(path.remote);
    chosen.add(path.id);
  };
  for (const group of [ordered, others]) {
    for (const path of group) {
      if (!uplinks.has(path.uplink) && !remotes.has(path.remote)) take(path);
    }
    for (const path of group) if (!uplinks.has(path.uplink)) take(path);
  }
  // the peer has more uplinks than we have
  for (const path of [...ordered, ...others]) {
    if (chosen.size < remoteUplinks && !remotes.has(path.remote)) take(path);
  }
  return chosen;
}

/**
 * One uplink has addresses of both families: used together they would be one way twice. The family by which more uplinks
 * have a way, ours first.
 */
function mainFamily(paths: readonly MatchablePath[], remoteUplinks: number): 4 | 6 {
  const [v4, v6] = [4, 6].map((family) => {
    const all = paths.filter((path) => path.family === family);
    const remotes = new Set(all.map(({ remote }) => remote)).size;
    return {
      ours: new Set(all.map(({ uplink }) => uplink)).size,
      theirs: Math.min(remotes, remoteUplinks),
      best: Math.min(...all.map(cost)),
    };
  }) as [FamilyReach, FamilyReach];
  const order = v4.ours - v6.ours || v4.theirs - v6.theirs || v6.best - v4.best;
  return order >= 0 ? 4 : 6;
}

interface FamilyReach {
  readonly ours: number;
  readonly theirs: number;
  readonly best: number;
}

function cost({ rttMs, chosen }: MatchablePath): number {
  if (rttMs === null) return Number.MAX_VALUE;
  return chosen ? rttMs * STICKY_FACTOR - STICKY_MS : rttMs;
}
