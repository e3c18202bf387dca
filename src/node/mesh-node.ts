// The mesh node: a WireGuard node (node.ts) with its key from the identity, the mesh core on the same port, and the tunnels
// that follow from it. Starts, reloads and ends them in order. agent.ts adds the control socket.

import type { MeshCrypto } from '../core/crypto.js';
import { messageOf, WeftError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type { Endpoint } from '../core/types.js';
import { tokenKey } from '../mesh/channel/keys.js';
import { createIdentity, type Identity, wireGuardKeyOf } from '../mesh/identity.js';
import type { InviteBook } from '../mesh/invite.js';
import { Mesh, type MeshState } from '../mesh/mesh.js';
import { decodeState } from '../mesh/state.js';
import type { SwimConfig } from '../mesh/swim/config.js';
import type { TrustStore } from '../mesh/trust.js';
import type { NodeId } from '../mesh/types.js';
import type { BondDriver } from './bond-driver.js';
import { Bonds } from './bonds.js';
import { type Config, formatHostPort } from './config.js';
import { certifiedAs, createTrust, openInvites } from './credentials.js';
import { type HostRoute, hostRoutes, type IpRunner } from './ip-command.js';
import { MeshDriver } from './mesh-driver.js';
import type { MeshLog } from './mesh-log.js';
import { MeshRequests } from './mesh-requests.js';
import type { DrivenNode } from './node.js';
import { checkOverlap } from './overlap.js';
import { describeChanges, needsRestart } from './reload.js';
import { Routine } from './routine.js';
import { loadSettings, type NodePaths, type Settings } from './settings.js';
import type { StateStore } from './state-store.js';
import { type Scheduler, wallTime } from './system.js';
import { meshPrefixes, Tunnels, type TunnelsConfig } from './tunnels.js';
import { type Resolver, resolveEndpoints } from './underlay.js';
import type { NetworkMonitor } from './uplinks-watch.js';

/** The interface is up; its port is bound within this time, or something is wrong. */
const LISTEN_TIMEOUT_MS = 5_000;
/** After the start, known members are given so long to answer. */
const CONTACT_TIMEOUT_MS = 1_000;
/** Others are told that this node leaves for so long. */
const LEAVE_TIMEOUT_MS = 2_000;

/** What is different after a reload, in words. */
export interface ReloadResult {
  readonly changes: readonly string[];
}

export interface MeshNodeEnvironment {
  readonly paths: NodePaths;
  readonly log: MeshLog;
  readonly version: string;
  readonly scheduler: Scheduler;
  readonly runIp: IpRunner;
  readonly resolver: Resolver;
  readonly monitor: NetworkMonitor;
  readonly timings: SwimConfig;
  readonly random: Random;
  readonly node: DrivenNode;
  readonly identity: Identity;
  readonly crypto: MeshCrypto;
  readonly store: StateStore;
}

export class MeshNode {
  /** Resolves when the interface is gone. */
  readonly closed: Promise<void>;
  readonly #env: MeshNodeEnvironment;
  readonly #driver: MeshDriver;
  readonly #tunnels: Tunnels;
  readonly #startedMs: number;
  readonly #requests: MeshRequests;
  readonly #routine: Routine;
  readonly #bonds: Bonds;
  #settings: Settings;
  #trust: TrustStore;
  #invites: InviteBook | null;
  #invitesSaved = true;
  /** Resolves when the last reload has ended. */
  #reloading: Promise<unknown> = Promise.resolve();
  #ending = false;

  constructor(env: MeshNodeEnvironment, settings: Settings, routes: TunnelsConfig['hostRoutes']) {
    this.#env = env;
    this.#settings = settings;
    this.#trust = createTrust(env.crypto, settings, []);
    this.#invites = this.#openInvites(settings);
    this.#requests = new MeshRequests({
      store: env.store,
      log: env.log,
      trust: () => this.#trust,
      tunnels: () => this.#tunnels,
      onInvitesSaved: (isOnDisk) => {
        this.#invitesSaved = isOnDisk;
        this.#driver.perform((mesh, nowMs) => mesh.invitesSaved(nowMs, isOnDisk));
      },
    });
    const mesh = createMesh(env, settings, this.#trust);
    mesh.setInvites(this.#invites);
    const { driver } = env.node;
    this.#startedMs = driver.dataPlane.nowMs();
    this.#driver = new MeshDriver({
      mesh,
      dataPlane: driver.dataPlane,
      scheduler: env.scheduler,
      onRequest: (request) => this.#requests.carryOut(request),
    });
    this.#tunnels = new Tunnels(
      {
        driver,
        mesh,
        crypto: env.crypto,
        scheduler: env.scheduler,
        runIp: env.runIp,
        log: env.log,
        wallSeconds: () => wallTime().seconds,
      },
      { settings, hostRoutes: routes, endpoints: new Map() },
    );
    this.#bonds = new Bonds({
      ...env,
      meshDriver: this.#driver,
      tunnels: this.#tunnels,
      config: () => this.#settings.config.bond,
      onChange: () => this.#routine.refreshAddresses(),
    });
    this.#routine = new Routine({
      ...env,
      driver: this.#driver,
      tunnels: this.#tunnels,
      bonds: this.#bonds,
      settings: () => this.#settings,
      trust: () => this.#trust,
    });
    this.closed = env.node.closed.then(() => this.halt());
  }

  // --- What the control socket asks for ---

  get crypto(): MeshCrypto {
    return this.#env.crypto;
  }

  get mesh(): Mesh {
    return this.#driver.mesh;
  }

  get node(): DrivenNode {
    return this.#env.node;
  }

  get tunnels(): Tunnels {
    return this.#tunnels;
  }

  get bonds(): BondDriver {
    return this.#bonds.driver;
  }

  get settings(): Settings {
    return this.#settings;
  }

  get trust(): TrustStore {
    return this.#trust;
  }

  get invites(): InviteBook | null {
    return this.#invites;
  }

  get log(): MeshLog {
    return this.#env.log;
  }

  get version(): string {
    return this.#env.version;
  }

  get uptimeMs(): number {
    return this.nowMs() - this.#startedMs;
  }

  nowMs(): number {
    return this.#env.node.driver.dataPlane.nowMs();
  }

  /** @throws WeftError EINVITE, or ESAVE if it could not be saved: a restart would not know it */
  issueInvite(request: Parameters<Mesh['issueInvite']>[1]): string {
    const token = this.#driver.perform((mesh, nowMs) => mesh.issueInvite(nowMs, request));
    if (this.#invitesSaved) return token;
    const path = this.#env.store.path('invites');
    throw new WeftError('ESAVE', `cannot write ${path}, so there is no invite: see weft log`);
  }

  /** @param id as InviteBook.list() has it */
  cancelInvite(id: string): void {
    const { store } = this.#env;
    if (this.#invites?.cancel(id)) store.writeBytes('invites', this.#invites.state());
  }

  /** One probe. @returns its round-trip time; null: no answer */
  ping(id: NodeId): Promise<number | null> {
    const pong = this.#requests.pong(id);
    this.#driver.perform((mesh, nowMs) => mesh.ping(nowMs, id));
    return pong;
  }

  addRevocation(bytes: Uint8Array): ReturnType<Mesh['addRevocation']> {
    return this.#driver.perform((mesh, nowMs) => mesh.addRevocation(nowMs, bytes));
  }

  // --- Life ---

  /** @param listening resolves when the port is bound */
  async start(listening: Promise<void>): Promise<void> {
    const { crypto, node, identity, log } = this.#env;
    const { config } = this.#settings;
    node.driver.perform((device, nowMs) =>
      device.setPrivateKey(nowMs, identity.key.agreementSecret),
    );
    node.driver.setFirewallMark(config.firewallMark);
    node.driver.setListenPort(config.listenPort);
    node.driver.dataPlane.acceptGossip(tokenKey(crypto, identity.key.agreementSecret));
    const uplinksKnown = this.#bonds.start();
    await this.#configureTunnels(this.#settings, null);
    const { scheduler } = this.#env;
    await withTimeout(scheduler, listening, LISTEN_TIMEOUT_MS, `${config.device} did not come up`);
    await uplinksKnown;
    this.#routine.refreshAddresses();
    this.#driver.perform((mesh, nowMs) => mesh.start(nowMs));
    await this.#routine.resolveSeeds();
    await this.#firstContact();
    this.#routine.start();
    const { name } = this.#settings;
    log.info('up', { name, device: config.device, port: config.listenPort, id: identity.id });
  }

  /** Waits a moment for a member that is known to answer: then the tunnels work when we say that we are up. */
  async #firstContact(): Promise<void> {
    if ([...this.mesh.members()].length === 0) return;
    const contact = this.#requests.contacted();
    await withTimeout(this.#env.scheduler, contact, CONTACT_TIMEOUT_MS, 'no answer').catch(
      () => {},
    );
  }

  receive(datagrams: Parameters<MeshDriver['receive']>[0]): void {
    this.#driver.receive(datagrams);
  }

  /**
   * Takes in what is in the files now, all of it or nothing; one call after the other.
   * @throws WeftError what is wrong with them: nothing has changed; EPARTIAL: all is in force but what the host refused
   */
  reload(): Promise<ReloadResult> {
    const result = this.#reloading.then(() => this.#takeInFiles());
    this.#reloading = result.catch(() => {});
    return result;
  }

  async #takeInFiles(): Promise<ReloadResult> {
    const { paths, crypto, runIp: run } = this.#env;
    const before = this.#settings;
    const settings = loadSettings(paths);
    const fixed = needsRestart(before, settings);
    if (fixed !== null) {
      throw new WeftError('ERESTART', `${fixed} changes with a restart only: weft down, weft up`);
    }
    const routesNow = await checkSettings(settings, paths, crypto, run);
    const trust = createTrust(crypto, settings, this.#trust.revocations());
    // an authority's key, or the right to issue, may have come
    const invites = this.#openInvites(settings);
    this.#setSockets(before.config, settings.config);
    const changes = describeChanges(before, settings);
    this.#settings = settings;
    this.#trust = trust;
    this.#invites = invites;
    this.log.level = settings.config.logLevel;
    this.#driver.perform((mesh, nowMs) => {
      mesh.setInvites(invites);
      mesh.setTrust(nowMs, trust);
      if (changes.includes('certificate')) mesh.setCertificate(nowMs, settings.certificateBytes);
      if (changes.includes('routes')) mesh.setRoutes(nowMs, settings.routes);
    });
    this.#routine.refreshAddresses();
    const refused = await this.#configureTunnels(settings, routesNow).then(() => null, messageOf);
    await this.#bonds.reload();
    await this.#routine.resolveSeeds();
    this.log.info('reloaded', { changes: changes.join(',') });
    if (refused === null) return { changes };
    throw new WeftError('EPARTIAL', `all else is in force, but the host refused: ${refused}`);
  }

  /** Tells the others, then ends. */
  async down(): Promise<void> {
    if (this.#ending) return this.closed;
    this.#ending = true;
    const left = this.#requests.left();
    this.#driver.perform((mesh, nowMs) => mesh.leave(nowMs));
    await withTimeout(this.#env.scheduler, left, LEAVE_TIMEOUT_MS, 'not left').catch(() => {});
    this.log.info('down');
    await this.#env.node.close();
    await this.closed;
  }

  /** No input is taken and no timer runs from here on. */
  halt(): void {
    this.#ending = true;
    this.#driver.stop();
    this.#routine.stop();
    this.#bonds.stop();
    void this.#tunnels.stop();
  }

  // --- Configuration ---

  #openInvites(settings: Settings): InviteBook | null {
    const issuing = {
      ...this.#env,
      nameOwner: (name: string) => this.#nameOwner(name),
      isRevoked: (authority: NodeId, node: NodeId) => this.#trust.isRevoked(authority, node),
    };
    return openInvites(issuing, settings);
  }

  #nameOwner(name: string): NodeId | null {
    const self = this.mesh.self();
    if (self.name === name) return self.id;
    for (const { id, record } of this.mesh.members()) if (record.name === name) return id;
    return certifiedAs(this.#env.store, this.#trust, name, wallTime().seconds);
  }

  async #configureTunnels(
    settings: Settings,
    hostRoutesNow: TunnelsConfig['hostRoutes'] | null,
  ): Promise<void> {
    const { resolver, runIp: run } = this.#env;
    const endpoints = new Map<Config['peers'][number]['publicKey'], Endpoint[]>();
    for (const { publicKey, endpoint } of settings.config.peers) {
      if (endpoint === null) continue;
      const found = await resolveEndpoints([endpoint], resolver);
      if (found.length === 0) {
        this.log.warn('a static peer does not resolve', { endpoint: formatHostPort(endpoint) });
      }
      endpoints.set(publicKey, found);
    }
    await this.#tunnels.configure({
      settings,
      hostRoutes: hostRoutesNow ?? (await hostRoutes(settings.config.device, run)),
      endpoints,
    });
  }

  /** First of a reload's changes, since the port may be taken: then nothing has changed. */
  #setSockets(before: Config, after: Config): void {
    const { driver } = this.#env.node;
    if (before.listenPort !== after.listenPort) {
      try {
        driver.setListenPort(after.listenPort);
      } catch (error) {
        throw new WeftError('EADDRINUSE', `ListenPort ${after.listenPort}: ${messageOf(error)}`);
      }
    }
    driver.setFirewallMark(after.firewallMark);
  }
}

/**
 * What the files alone do not tell: whether a static peer is this node itself, and whether the mesh overlaps a network of
 * the host, whose routes are the answer.
 * @throws WeftError ECONFIG, EOVERLAP
 */
export async function checkSettings(
  settings: Settings,
  paths: NodePaths,
  crypto: MeshCrypto,
  run: IpRunner,
): Promise<HostRoute[]> {
  const own = wireGuardKeyOf(crypto, createIdentity(crypto, settings.seed).id);
  const self = settings.config.peers.find(({ publicKey }) => publicKey === own);
  if (self !== undefined) {
    const where = `${paths.config}:${self.line}`;
    const message = `${where}: the PublicKey of this [Peer] is this node's own: give the other's`;
    throw new WeftError('ECONFIG', message);
  }
  const remedy =
    'renumber that network, or make the mesh anew with weft init --prefix PREFIX/LENGTH of addresses that no host uses';
  return checkOverlap(meshPrefixes(crypto, settings), settings.config.device, run, remedy);
}

/** Without seeds and capabilities, which are told when they are known. */
function createMesh(env: MeshNodeEnvironment, settings: Settings, trust: TrustStore): Mesh {
  const { crypto, random, identity, store, timings } = env;
  const { mesh, name, routes, certificateBytes: certificate } = settings;
  const { meshId, meshKey, v4Prefix } = mesh;
  const saved = store.readBytes('members');
  return new Mesh({
    crypto,
    random,
    identity,
    trust,
    wallTime,
    config: {
      meshId,
      meshKey,
      name,
      seeds: [],
      v4Prefix,
      routes,
      capabilities: [],
      certificate,
      timings,
    },
    saved: saved && readState(saved, store.path('members')),
  });
}

function readState(bytes: Uint8Array, path: string): MeshState {
  const state = decodeState(bytes);
  if (state !== null) return state;
  throw new WeftError('ESTATE', `${path} is damaged: restore it, or remove it to start from seeds`);
}

/** @throws WeftError ETIMEOUT if `promise` does not settle in time */
function withTimeout<T>(
  scheduler: Scheduler,
  promise: Promise<T>,
  timeoutMs: number,
  what: string,
): Promise<T> {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    const error = new WeftError('ETIMEOUT', `${what} within ${timeoutMs} ms`);
    cancel = scheduler.after(timeoutMs, () => reject(error));
  });
  return Promise.race([promise, late]).finally(() => cancel());
}
