// What lies below the tunnels: the addresses that this host has on its other interfaces, and names to endpoints.

import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { parseAddress } from '../core/address.js';
import { isPrivate } from '../core/network.js';
import type { Endpoint, IpAddress } from '../core/types.js';
import { type HostPort, literalEndpoint } from './config.js';

/** An interface's address, as node:os gives it. */
interface LocalAddress {
  readonly device: string;
  readonly address: IpAddress;
}

/** Resolves names; a fake one in tests. */
export type Resolver = (host: string) => Promise<readonly IpAddress[]>;

/** Never rejects: a name that does not resolve now may later. */
export const systemResolver: Resolver = async (host) => {
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => parseAddress(address)).filter((ip) => ip !== null);
  } catch {
    return [];
  }
};

/** Where these can be reached now, in the order given, without repetitions of a name's addresses. */
export async function resolveEndpoints(
  places: readonly HostPort[],
  resolve: Resolver,
): Promise<Endpoint[]> {
  const resolved = await Promise.all(
    places.map(async (place): Promise<Endpoint[]> => {
      const literal = literalEndpoint(place);
      if (literal !== null) return [literal];
      const addresses = await resolve(place.host);
      return addresses.map((address) => ({ address, port: place.port, scopeId: 0 }));
    }),
  );
  return resolved.flat();
}

/**
 * Where this node may be reached on its own addresses: public ones before private ones.
 * @param exceptDevice the mesh's own interface
 */
export function localEndpoints(
  port: number,
  exceptDevice: string,
  isInside: (address: IpAddress) => boolean,
): Endpoint[] {
  return localAddresses()
    .filter(({ device, address }) => device !== exceptDevice && !isInside(address))
    .sort((a, b) => rank(a.address) - rank(b.address))
    .map(({ address }) => ({ address, port, scopeId: 0 }));
}

function localAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([device, addresses]) =>
    (addresses ?? []).flatMap(({ address: text, internal, scopeid }) => {
      const address = parseAddress(text);
      if (address === null || internal || scopeid || isLinkLocal(address)) return [];
      return [{ device, address }];
    }),
  );
}

/** 169.254.0.0/16; those of IPv6 have a scope and are left out for that. */
function isLinkLocal(address: IpAddress): boolean {
  return address.length === 4 && address[0] === 169 && address[1] === 254;
}

/** 0: reachable from anywhere, if at all; 1: within a site. */
function rank(address: IpAddress): number {
  return isPrivate(address) ? 1 : 0;
}
