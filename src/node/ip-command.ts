// What the kernel is told about the interface: MTU, addresses, routes. By `ip -batch`, one process for all that changes
// at once; rtnetlink would need code in the addon for no more effect.

import { execFile } from 'node:child_process';
import { formatAddress, formatPrefix, parsePrefix } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import type { IpAddress, Prefix } from '../core/types.js';

/** An address of the interface and the length of the prefix that is reached through it. */
export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly length: number;
}

export interface InterfacePlan {
  readonly mtu: number;
  readonly addresses: readonly InterfaceAddress[];
  /** Beyond those that the addresses bring. */
  readonly routes: readonly Prefix[];
}

/** A route of the main table. */
export interface HostRoute {
  readonly prefix: Prefix;
  /** Empty: none, or several. */
  readonly device: string;
  /** As `ip` names it: `kernel` for networks that the host is connected to, `static`, `boot`, `119`. */
  readonly protocol: string;
}

/** By which our routes are known from all others (`ip route show proto 119`): "w" in ASCII, unassigned in rtnetlink.h. */
const ROUTE_PROTOCOL = 119;

/** Runs `ip`; a fake one in tests. */
export type IpRunner = (argv: readonly string[], input: string) => Promise<string>;

/** @throws WeftError EIP with what `ip` said */
export const runIp: IpRunner = (argv, input) =>
  new Promise((resolve, reject) => {
    const child = execFile('ip', [...argv], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new WeftError('EIP', ipFailure(error, stderr)));
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });

function ipFailure(error: Error, stderr: string): string {
  if ('code' in error && error.code === 'ENOENT')
    return 'the program ip is missing: install iproute2';
  return `ip failed: ${stderr.trim().replaceAll('\n', '; ') || error.message}`;
}

/** Keeps an interface as planned: only differences to the last plan are told to the kernel. */
export class InterfaceSetup {
  readonly #device: string;
  readonly #run: IpRunner;
  #applied = new Map<string, Change>();
  /** Something failed: what of it is there is not known. */
  #unsure = false;

  constructor(device: string, run: IpRunner = runIp) {
    this.#device = device;
    this.#run = run;
  }

  /** Whether a route was set up, as far as is known. */
  hasRoute(route: Prefix): boolean {
    return this.#applied.has(this.#routeLine(route));
  }

  /** @throws WeftError EIP: some of it may have taken effect, and is tried again next time */
  async apply(plan: InterfacePlan): Promise<void> {
    const wanted = this.#changesOf(plan);
    const lines: string[] = this.#unsure ? this.#flushLines() : [];
    // An address goes before its successor comes: the kernel drops what is secondary together with its primary.
    for (const [key, { undo }] of this.#applied) {
      if (!wanted.has(key) && undo !== null) lines.push(undo);
    }
    for (const [key, { line }] of wanted) if (!this.#applied.has(key)) lines.push(line);
    this.#applied = wanted;
    if (lines.length === 0) return;
    try {
      await this.#run(['-force', '-batch', '-'], `${lines.join('\n')}\n`);
      this.#unsure = false;
    } catch (error) {
      this.#applied = new Map();
      this.#unsure = true;
      throw error;
    }
  }

  #flushLines(): string[] {
    return ['0.0.0.0/0', '::/0'].map(
      (all) => `route flush root ${all} dev ${this.#device} proto ${ROUTE_PROTOCOL}`,
    );
  }

  /** `add`, never `replace`: what somebody else has put there stays. */
  #routeLine(route: Prefix): string {
    return `route add ${this.#routeText(route)}`;
  }

  #routeText(route: Prefix): string {
    return `${formatPrefix(route)} dev ${this.#device} proto ${ROUTE_PROTOCOL}`;
  }

  #changesOf(plan: InterfacePlan): Map<string, Change> {
    const device = this.#device;
    const changes = new Map<string, Change>();
    const add = (line: string, undo: string | null) => changes.set(line, { line, undo });
    add(`link set dev ${device} mtu ${plan.mtu} up`, null);
    for (const { address, length } of plan.addresses) {
      const text = `${formatAddress(address)}/${length}`;
      const options = address.length === 16 ? ' nodad' : '';
      add(`address replace ${text} dev ${device}${options}`, `address del ${text} dev ${device}`);
    }
    for (const route of plan.routes) {
      add(this.#routeLine(route), `route del ${this.#routeText(route)}`);
    }
    return changes;
  }
}

interface Change {
  readonly line: string;
  /** Null: nothing to do when it is no longer wanted. */
  readonly undo: string | null;
}

/** The routes of this host's main table, but those of a mesh, by both of its marks. */
export async function hostRoutes(meshDevice: string, run: IpRunner = runIp): Promise<HostRoute[]> {
  const found: HostRoute[] = [];
  for (const family of ['-4', '-6']) {
    const listing = await run(['-j', family, 'route', 'show', 'table', 'main'], '');
    for (const route of parseRoutes(listing, family === '-4' ? 32 : 128)) {
      const isOurs =
        route.device === meshDevice && ['kernel', `${ROUTE_PROTOCOL}`].includes(route.protocol);
      if (!isOurs) found.push(route);
    }
  }
  return found;
}

/** Whether a host reaches addresses directly by this route. */
export function isConnected({ protocol, prefix }: HostRoute): boolean {
  return protocol === 'kernel' && !isLinkLocal(prefix);
}

/** @param hostLength of addresses, which `ip` shows without a length */
function parseRoutes(json: string, hostLength: number): HostRoute[] {
  if (json.trim() === '') return [];
  const routes = JSON.parse(json) as { dst?: string; dev?: string; protocol?: string }[];
  return routes.flatMap(({ dst = '', dev = '', protocol = '' }) => {
    const prefix = parsePrefix(dst.includes('/') ? dst : `${dst}/${hostLength}`);
    return prefix === null ? [] : [{ prefix, device: dev, protocol }];
  });
}

/** fe80::/10 is on every link and disturbs nothing. */
function isLinkLocal({ address }: Prefix): boolean {
  return address.length === 16 && address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
}
