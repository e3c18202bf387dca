// The uplinks of this host, read from the system: interfaces with a way out, with their index and addresses. Asked of
// `ip`, as ip-command.ts does. uplinks-watch.ts says when to ask again.

import type { Uplink, UplinkSettings } from '../bond/uplink.js';
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from '../core/address.js';
import type { IpAddress, Prefix } from '../core/types.js';
import { type BondConfig, NO_UPLINK } from './bond-config.js';
import type { IpRunner } from './ip-command.js';

/** More than that, and the ways between two hosts are too many to be tried. */
const MAX_UPLINKS = 8;

/** What `ip -j -d address` says of an interface, as far as it is used. */
interface Link {
  readonly ifindex?: number;
  readonly ifname?: string;
  readonly flags?: readonly string[];
  readonly operstate?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly LinkAddress[];
}

interface LinkAddress {
  readonly local?: string;
  readonly prefixlen?: number;
  readonly scope?: string;
  readonly secondary?: boolean;
  readonly temporary?: boolean;
  readonly deprecated?: boolean;
  readonly tentative?: boolean;
  readonly dadfailed?: boolean;
}

interface DefaultRoute {
  readonly dev?: string;
  readonly metric?: number;
  readonly flags?: readonly string[];
  readonly nexthops?: readonly { readonly dev?: string; readonly flags?: readonly string[] }[];
}

/** Metric by interface. */
type Defaults = ReadonlyMap<string, number>;

/** Kinds of interfaces that lead into another tunnel: what is sent there leaves by an uplink that is known already. */
const TUNNELS =
  /^(tun|wireguard|ipip|sit|gre|gretap|ip6tnl|ip6gre|ip6gretap|vti|vti6|xfrm|vxlan|geneve|l2tp)$/;
/** Kinds that lead to other parts of this host, unless the way out is through them. */
const INTERNAL = /^(veth|bridge|dummy|ifb|nlmon|vcan|macvlan|macvtap|ipvlan|netdevsim|vrf)$/;

/**
 * What can be used now, the best first: by the metric of the default route.
 * @param exceptDevice the mesh's own interface
 * @throws WeftError EIP
 */
export async function readUplinks(
  config: Pick<BondConfig, 'discovery' | 'uplinks'>,
  exceptDevice: string,
  run: IpRunner,
): Promise<Uplink[]> {
  const [links, v4, v6] = await Promise.all([
    run(['-j', '-d', 'address', 'show'], ''),
    run(['-j', '-4', 'route', 'show', 'default', 'table', 'all'], ''),
    run(['-j', '-6', 'route', 'show', 'default', 'table', 'all'], ''),
  ]);
  const defaults = { v4: parseDefaults(v4), v6: parseDefaults(v6) };
  const found = (parseList(links) as Link[])
    .filter((link) => link.ifname !== exceptDevice)
    .flatMap((link) => {
      const settings = settingsOf(link, config, defaults);
      return settings === null ? [] : toUplink(link, settings, config, defaults);
    });
  const metric = ({ name }: Uplink) =>
    Math.min(defaults.v4.get(name) ?? Infinity, defaults.v6.get(name) ?? Infinity);
  return found.sort((a, b) => compare(metric(a), metric(b))).slice(0, MAX_UPLINKS);
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** Null: the interface is no uplink. */
function settingsOf(
  link: Link,
  { discovery, uplinks }: Pick<BondConfig, 'discovery' | 'uplinks'>,
  defaults: { v4: Defaults; v6: Defaults },
): UplinkSettings | null {
  const name = link.ifname ?? '';
  const listed = uplinks.find((each) => each.name === name);
  if (listed !== undefined) return listed;
  if (discovery === 'listed' || (discovery === null && uplinks.length > 0)) return null;
  const kind = link.linkinfo?.info_kind ?? '';
  if (link.flags?.includes('LOOPBACK') || TUNNELS.test(kind)) return null;
  const hasDefault = defaults.v4.has(name) || defaults.v6.has(name);
  if (!hasDefault && INTERNAL.test(kind)) return null;
  return { ...NO_UPLINK, name };
}

/** Nothing if the link is down, or has no address that others could answer to. */
function toUplink(
  link: Link,
  settings: UplinkSettings,
  { uplinks }: Pick<BondConfig, 'uplinks'>,
  defaults: { v4: Defaults; v6: Defaults },
): Uplink[] {
  const { ifindex = 0, flags = [], operstate = '', addr_info = [] } = link;
  const isUp = flags.includes('UP') && !/DOWN|DORMANT|NOTPRESENT/.test(operstate);
  const usable = addr_info.filter(isUsable).flatMap(parseLinkAddress);
  const v4 = usable.find(({ address }) => address.length === 4)?.address ?? null;
  const v6 = usable.find(({ address }) => address.length === 16)?.address ?? null;
  if (!isUp || ifindex === 0 || (v4 === null && v6 === null)) return [];
  // who lists an interface may have routes for it that are no default routes
  const isListed = uplinks.some(({ name }) => name === settings.name);
  return [
    {
      ...settings,
      index: ifindex,
      v4,
      v6,
      defaultV4: v4 !== null && (isListed || defaults.v4.has(settings.name)),
      defaultV6: v6 !== null && (isListed || defaults.v6.has(settings.name)),
      connected: usable.map(({ prefix }) => prefix),
    },
  ];
}

function isUsable(each: LinkAddress): boolean {
  const { scope, secondary, temporary, deprecated, tentative, dadfailed } = each;
  return scope === 'global' && !(secondary || temporary || deprecated || tentative || dadfailed);
}

function parseLinkAddress({
  local = '',
  prefixlen = 0,
}: LinkAddress): { address: IpAddress; prefix: Prefix }[] {
  const address = parseAddress(local);
  const prefix = parsePrefix(`${local}/${prefixlen}`);
  return address === null || prefix === null ? [] : [{ address, prefix }];
}

function parseDefaults(json: string): Defaults {
  const metrics = new Map<string, number>();
  const add = (device: string, metric: number) =>
    metrics.set(device, Math.min(metric, metrics.get(device) ?? Infinity));
  for (const { dev, metric = 0, flags = [], nexthops = [] } of parseList(json) as DefaultRoute[]) {
    if (dev !== undefined && !isDead(flags)) add(dev, metric);
    for (const hop of nexthops) {
      if (hop.dev !== undefined && !isDead(hop.flags ?? [])) add(hop.dev, metric);
    }
  }
  return metrics;
}

function isDead(flags: readonly string[]): boolean {
  return flags.includes('dead') || flags.includes('linkdown');
}

/** `ip` prints nothing at all for an empty list. */
function parseList(json: string): unknown[] {
  if (json.trim() === '') return [];
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value : [];
}

/** The same text for the same uplinks. */
export function describeUplinks(uplinks: readonly Uplink[]): string {
  return JSON.stringify(
    uplinks.map(({ v4, v6, connected, ...rest }) => ({
      ...rest,
      v4: v4 && formatAddress(v4),
      v6: v6 && formatAddress(v6),
      connected: connected.map(formatPrefix),
    })),
  );
}
