// The mesh as WireGuard and the kernel see it: peers from members and configuration (reconcile.ts), addresses and routes
// of the interface (ip-command.ts).

import { formatAddress, formatPrefix } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import { messageOf } from '../core/errors.js';
import { contains, covers, overlaps } from '../core/network.js';
import type { Endpoint, IpAddress, Prefix, PublicKey } from '../core/types.js';
import { addressKey, meshPrefixV6 } from '../mesh/addresses.js';
import { wireGuardKeyOf } from '../mesh/identity.js';
import type { Mesh } from '../mesh/mesh.js';
import type { Member, NodeId } from '../mesh/types.js';
import type { StaticPeer } from './config.js';
import type { Driver } from './driver.js';
import {
  type HostRoute,
  hostRoutes,
  type InterfaceAddress,
  InterfaceSetup,
  type IpRunner,
  isConnected,
} from './ip-command.js';
import type { MeshLog } from './mesh-log.js';
import { hostPrefix, type PeerPlan, PeerSync, planPeers } from './reconcile.js';
import type { Settings } from './settings.js';
import type { Scheduler } from './system.js';

/** Changes within this time after one are applied together. */
const GATHER_MS = 50;
const V6_MESH_LENGTH = 48;
/** A shorter prefix takes over half the Internet and more, and with it the ways to other members. */
const MIN_ROUTE_LENGTH = 8;
/** A session in use hears at least so often. */
const SILENT_MS = 1_000;
/** Longer than REKEY_TIMEOUT, within which no second handshake begins. */
const RENEW_MS = 8_000;
/** REJECT_AFTER_TIME: an older session carries nothing, and the next packet begins another. */
const SESSION_SECONDS = 180;

export interface TunnelsEnvironment {
  readonly driver: Driver;
  readonly mesh: Mesh;
  readonly crypto: MeshCrypto;
  readonly scheduler: Scheduler;
  readonly runIp: IpRunner;
  readonly log: MeshLog;
  wallSeconds(): number;
}

/** What configuration says about the tunnels. */
export interface TunnelsConfig {
  readonly settings: Settings;
  /** Of this host: no member's route may take them over. */
  readonly hostRoutes: readonly HostRoute[];
  /** Of static peers with an endpoint, by key. */
  readonly endpoints: ReadonlyMap<PublicKey, readonly Endpoint[]>;
}

export class Tunnels {
  readonly #env: TunnelsEnvironment;
  readonly #sync: PeerSync;
  readonly #interface: InterfaceSetup;
  readonly #keys = new Map<NodeId, PublicKey | null>();
  #config: TunnelsConfig;
  #plans: readonly PeerPlan[] = [];
  /** Routes that are not used, and why. */
  #refusedRoutes = new Map<string, string>();
  /** Members' addresses that static peers have a part in. */
  #sharedAddresses: string[] = [];
  #cancelTimer: (() => void) | null = null;
  #changedSince = false;
  /** Sessions that may have to be made anew, and since when. */
  readonly #renewing = new Map<PublicKey, number>();
  #applying: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(env: TunnelsEnvironment, config: TunnelsConfig) {
    this.#env = env;
    this.#config = config;
    this.#sync = new PeerSync(env.driver.dataPlane.stats);
    this.#interface = new InterfaceSetup(env.driver.dataPlane.interfaceName, env.runIp);
  }

  get plans(): readonly PeerPlan[] {
    return this.#plans;
  }

  /** Addresses that members claim and may not have, or routes that are not used: a line each. */
  warnings(): string[] {
    const refused = [...this.#refusedRoutes].map(
      ([route, why]) => `route ${route} is not used: ${why}`,
    );
    return [...refused, ...this.#sharedAddresses];
  }

  ownerOf(address: IpAddress): NodeId | null {
    return this.#env.mesh.addresses().owners.get(addressKey(address)) ?? null;
  }

  keyOf(id: NodeId): PublicKey | null {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const key = wireGuardKeyOf(this.#env.crypto, id);
    this.#keys.set(id, key);
    return key;
  }

  /** Whether an address belongs to the mesh, so that no datagram may be sent to it before there is a tunnel. */
  isInside(address: IpAddress): boolean {
    return meshPrefixes(this.#env.crypto, this.#config.settings).some((prefix) =>
      contains(prefix, address),
    );
  }

  configure(config: TunnelsConfig): Promise<void> {
    this.#config = config;
    return this.applyNow();
  }

  /**
   * Members have changed. The first change is applied at once: who introduced itself has a peer here before it hears our
   * answer, and may handshake. Those that follow closely are gathered.
   */
  changed(): void {
    if (this.#stopped) return;
    if (this.#cancelTimer !== null) {
      this.#changedSince = true;
      return;
    }
    this.#changedSince = false;
    this.#cancelTimer = this.#env.scheduler.after(GATHER_MS, () => {
      this.#cancelTimer = null;
      if (this.#changedSince) this.changed();
    });
    this.applyNow().catch((error: unknown) => {
      this.#env.log.error('the interface could not be set up', { reason: messageOf(error) });
    });
  }

  /**
   * A member changed, or is heard from elsewhere: it may have been started anew, and know nothing of our session with it. If
   * that is silent, a handshake now saves the 15 s after which WireGuard would try one.
   */
  renew(id: NodeId): void {
    const { driver } = this.#env;
    const key = this.keyOf(id);
    const peer = key === null ? undefined : driver.device.peer(key);
    if (key === null || peer === undefined || peer.lastHandshake === null) return;
    if (this.#env.wallSeconds() - peer.lastHandshake.seconds > SESSION_SECONDS) return;
    this.#renewing.set(key, driver.dataPlane.nowMs());
    this.#renewSilent();
  }

  /** Asks for the handshakes that are due: one that was sent less than REKEY_TIMEOUT ago is waited for first. */
  #renewSilent(): void {
    const { driver } = this.#env;
    const nowMs = driver.dataPlane.nowMs();
    for (const [key, sinceMs] of this.#renewing) {
      const peer = driver.device.peer(key);
      const heardMs = peer === undefined ? 0 : driver.dataPlane.stats.lastReceivedMs(peer.id);
      if (peer === undefined || heardMs > sinceMs || nowMs > sinceMs + RENEW_MS) {
        this.#renewing.delete(key);
      } else if (nowMs - heardMs >= SILENT_MS) {
        driver.perform((device, atMs) => device.handshakeNeeded(atMs, peer.id));
      }
    }
  }

  /** Every second or so. */
  review(): void {
    if (this.#renewing.size > 0) this.#renewSilent();
    this.#env.driver.perform((device, nowMs) => this.#sync.review(nowMs, device));
  }

  forget(id: NodeId): void {
    this.#keys.delete(id);
    this.changed();
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    return this.#applying;
  }

  /**
   * Resolves when the kernel has been told.
   * @throws WeftError EIP: it refused something, which is tried again with the next change
   */
  applyNow(): Promise<void> {
    this.#planAndSync();
    const applied = this.#applying.then(() => this.#applyToInterface());
    this.#applying = applied.catch(() => {});
    return applied;
  }

  #planAndSync(): void {
    this.#plan();
    this.#env.driver.perform((device, nowMs) => this.#sync.apply(nowMs, device, this.#plans));
  }

  #plan(): void {
    const { settings } = this.#config;
    this.#refusedRoutes = new Map();
    this.#sharedAddresses = [];
    this.#plans = planPeers({
      members: this.#env.mesh.members(),
      keyOf: (id) => this.keyOf(id),
      ownerOf: (address) => this.ownerOf(address),
      staticPeers: settings.config.peers.map((peer) => this.#staticPlan(peer)),
      acceptsRoute: (route) => this.#acceptsRoute(route),
      acceptsAddress: (member, address) => this.#acceptsAddress(member, address),
      isInside: (address) => this.isInside(address),
    });
  }

  #staticPlan(peer: StaticPeer): PeerPlan {
    for (const prefix of peer.allowedIps) {
      const reason = this.#whyForeign(prefix);
      if (reason !== null) this.#refusedRoutes.set(formatPrefix(prefix), reason);
    }
    return {
      publicKey: peer.publicKey,
      allowedIps: peer.allowedIps,
      endpoints: this.#config.endpoints.get(peer.publicKey) ?? [],
      presharedKey: peer.presharedKey,
      persistentKeepalive: peer.persistentKeepalive,
      member: null,
    };
  }

  #acceptsRoute(route: Prefix): boolean {
    const reason = this.#whyNot(route);
    if (reason !== null) this.#refusedRoutes.set(formatPrefix(route), reason);
    return reason === null;
  }

  /** What is configured here comes before what members say, but for default routes: all else is more specific. */
  #whyNot(route: Prefix): string | null {
    const { settings } = this.#config;
    if (route.length < MIN_ROUTE_LENGTH) return 'it is as wide as a default route';
    const own = this.#env.mesh.self().routes;
    if (overlaps(route, own) !== null) return 'this node offers it too';
    const configured = settings.config.peers
      .flatMap(({ allowedIps }) => allowedIps)
      .find((prefix) => prefix.length > 0 && overlaps(route, [prefix]) !== null);
    if (configured !== undefined) {
      return `it overlaps ${formatPrefix(configured)}, AllowedIPs of a static peer`;
    }
    const inside = meshPrefixes(this.#env.crypto, settings).find((prefix) => covers(prefix, route));
    if (inside !== undefined) return null;
    if (!settings.config.acceptRoutes) return 'AcceptRoutes = no';
    return this.#whyTaken(route);
  }

  #whyTaken(route: Prefix): string | null {
    const { device } = this.#config.settings.config;
    const others = this.#config.hostRoutes.filter((each) => each.device !== device);
    const connected = others.find(
      (each) => isConnected(each) && overlaps(route, [each.prefix]) !== null,
    );
    if (connected !== undefined) {
      return `it overlaps ${formatPrefix(connected.prefix)} on ${connected.device}, which this host reaches directly`;
    }
    return this.#whyForeign(route);
  }

  /** Somebody else has routed this very prefix: that stays. */
  #whyForeign(route: Prefix): string | null {
    const text = formatPrefix(route);
    const { device } = this.#config.settings.config;
    const foreign = this.#config.hostRoutes.find(
      (each) => each.device !== device && formatPrefix(each.prefix) === text,
    );
    if (foreign === undefined) return null;
    const where = foreign.device === '' ? '' : ` on ${foreign.device}`;
    return `this host has a route of its own for it${where} (proto ${foreign.protocol || 'unspec'})`;
  }

  /** An address outside the mesh's prefixes is no more than a route: its certificate does not take it from this host. */
  #acceptsAddress({ record }: Member, address: IpAddress): boolean {
    if (!this.isInside(address)) return this.#acceptsRoute(hostPrefix(address));
    const peers = this.#config.settings.config.peers.flatMap(({ allowedIps }) => allowedIps);
    const around = peers.find(
      (prefix) => contains(prefix, address) && this.isInside(prefix.address),
    );
    if (around === undefined) return true;
    const isSame = around.length === address.length * 8;
    const who = isSame ? `the static peer, and ${record.name} does not` : record.name;
    this.#sharedAddresses.push(
      `${formatAddress(address)} of ${record.name} is in AllowedIPs ${formatPrefix(around)} of a static peer: ${who} gets its packets`,
    );
    return true;
  }

  /** What goes to the interface beside what its addresses bring. */
  #outsideRoutes(): Prefix[] {
    const inside = meshPrefixes(this.#env.crypto, this.#config.settings);
    const present = this.#config.hostRoutes.map(({ prefix }) => formatPrefix(prefix));
    return this.#plans
      .flatMap(({ allowedIps }) => allowedIps)
      .filter((prefix) => prefix.length > 0 && !inside.some((own) => covers(own, prefix)))
      .filter((prefix) => !present.includes(formatPrefix(prefix)));
  }

  /** The host's routes are read again before one is added: some may have come since. */
  async #lookAtHost(): Promise<void> {
    const { device } = this.#config.settings.config;
    const now = await hostRoutes(device, this.#env.runIp);
    if (this.#stopped) return;
    this.#config = { ...this.#config, hostRoutes: now };
    this.#planAndSync();
  }

  async #applyToInterface(): Promise<void> {
    if (this.#stopped) return;
    if (this.#outsideRoutes().some((route) => !this.#interface.hasRoute(route))) {
      await this.#lookAtHost();
    }
    if (this.#stopped) return;
    const { settings } = this.#config;
    const self = this.#env.mesh.self();
    const addresses = self.addresses
      .filter((address) => this.ownerOf(address) === self.id)
      .map((address) => withPrefixLength(address, settings));
    const routes = this.#outsideRoutes();
    await this.#interface.apply({ mtu: settings.config.mtu, addresses, routes });
  }
}

/** The prefixes of the mesh: one of IPv6, and one of IPv4 if it has any. */
export function meshPrefixes(crypto: MeshCrypto, settings: Pick<Settings, 'mesh'>): Prefix[] {
  const { meshId, v4Prefix } = settings.mesh;
  const v6 = meshPrefixV6(crypto, meshId);
  return v4Prefix === null ? [v6] : [v4Prefix, v6];
}

/** A pinned address outside the mesh's prefix is reached alone. */
function withPrefixLength(address: IpAddress, { mesh }: Settings): InterfaceAddress {
  if (address.length === 16) return { address, length: V6_MESH_LENGTH };
  const { v4Prefix } = mesh;
  const isInside = v4Prefix !== null && contains(v4Prefix, address);
  return { address, length: isInside ? v4Prefix.length : 32 };
}
