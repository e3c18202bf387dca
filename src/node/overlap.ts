// The mesh's prefixes against the networks that this host reaches directly: neither may cut off the other.

import { formatPrefix } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import { overlaps } from '../core/network.js';
import type { Prefix } from '../core/types.js';
import { type HostRoute, hostRoutes, type IpRunner, isConnected } from './ip-command.js';

/**
 * @param device the mesh's own interface, which does not count
 * @param remedy what to do about it
 * @returns the host's routes
 * @throws WeftError EOVERLAP if one shares addresses with a prefix
 */
export async function checkOverlap(
  prefixes: readonly Prefix[],
  device: string,
  run: IpRunner,
  remedy: string,
): Promise<HostRoute[]> {
  const routes = await hostRoutes(device, run);
  const connected = routes.filter((each) => isConnected(each) && each.device !== device);
  for (const prefix of prefixes) {
    const route = connected.find((each) => overlaps(prefix, [each.prefix]) !== null);
    if (route === undefined) continue;
    const local = `${formatPrefix(route.prefix)} on ${route.device}`;
    const message = `${formatPrefix(prefix)} overlaps ${local}, which this host reaches directly: ${remedy}`;
    throw new WeftError('EOVERLAP', message);
  }
  return routes;
}
