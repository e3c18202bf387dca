// The mesh node: a WireGuard node (node.ts) with its key from the identity, the mesh core on the same port, and the tunnels
// that follow from it. Starts, reloads and ends them in order. agent.ts adds the control socket.

import { formatAddress, formatEndpoint } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type { Endpoint, IpAddress } from '../core/types.js';
import { contains } from '../mesh/addresses.js';
import { createIdentity, type Identity } from '../mesh/identity.js';
import { InviteBook } from '../mesh/invite.js';
import { Mesh, type MeshState } from '../mesh/mesh.js';
import { decodeState, encodeState } from '../mesh/state.js';
import type { SwimConfig } from '../mesh/swim/config.js';
import { TrustStore } from '../mesh/trust.js';
import type { MemberState, NodeId } from '../mesh/types.js';
import { type Config, formatHostPort } from './config.js';
import { type ConnectedRoute, connectedRoutes, type IpRunner } from './ip-command.js';
import { MeshDriver, type MeshRequest } from './mesh-driver.js';
import type { MeshLog } from './mesh-log.js';
import type { DrivenNode } from './node.js';
import { checkOverlap } from './overlap.js';
import { describeChanges, needsRestart } from './reload.js';
import { loadSettings, type NodePaths, type Settings } from './settings.js';
import type { StateStore } from './state-store.js';
import { type Scheduler, wallTime } from './system.js';
import { meshPrefixes, Tunnels, type TunnelsConfig } from './tunnels.js';
import { localEndpoints, type Resolver, resolveEndpoints } from './underlay.js';

/** Traffic is looked at, and silent peers are, in this interval. */
const REVIEW_MS = 1_000;
/** The host's addresses are read again in this interval. */
const ADDRESSES_MS = 5_000;
/** Names are resolved again in this interval. */
const RESOLVE_MS = 60_000;
/** Certificates are looked at in this interval. */
const EXPIRY_MS = 3_600_000;
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
  readonly #pings = new Map<NodeId, ((rttMs: number | null) => void)[]>();
  readonly #timers = new Set<() => void>();
  /** As last logged. */
  readonly #states = new Map<NodeId, MemberState>();
  #settings: Settings;
  #trust: TrustStore;
  #invites: InviteBook | null;
  #left: () => void = () => {};
  #contacted: () => void = () => {};
  #endpointsTold = '';
  #ending = false;

  constructor(env: MeshNodeEnvironment, settings: Settings, connected: TunnelsConfig['connected']) {
    this.#env = env;
    this.#settings = settings;
    this.#trust = this.#createTrust(settings, []);
    this.#invites = this.#openInvites(settings);
    const saved = env.store.readBytes('members');
    const mesh = new Mesh({
      crypto: env.crypto,
      random: env.random,
      identity: env.identity,
      trust: this.#trust,
      wallTime,
      config: {
        meshId: settings.mesh.meshId,
        meshKey: settings.mesh.meshKey,
        name: settings.name,
        seeds: [],
        announce: [],
        v4Prefix: settings.mesh.v4Prefix,
        routes: settings.routes,
        capabilities: [],
        certificate: settings.certificateBytes,
        timings: env.timings,
      },
      saved: saved && readState(saved, env.store.path('members')),
    });
    mesh.setInvites(this.#invites);
    const { driver } = env.node;
    this.#startedMs = driver.dataPlane.nowMs();
    this.#driver = new MeshDriver({
      mesh,
      dataPlane: driver.dataPlane,
      scheduler: env.scheduler,
      onRequest: (request) => this.#carryOut(request),
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
      { settings, connected, endpoints: new Map() },
    );
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

  /** @throws WeftError EINVITE */
  issueInvite(request: Parameters<Mesh['issueInvite']>[1]): string {
    return this.#driver.perform((mesh, nowMs) => mesh.issueInvite(nowMs, request));
  }

  /** @param id as InviteBook.list() has it */
  cancelInvite(id: string): void {
    const { store } = this.#env;
    if (this.#invites?.cancel(id)) store.writeBytes('invites', this.#invites.state());
  }

  /** One probe. @returns its round-trip time; null: no answer */
  ping(id: NodeId): Promise<number | null> {
    return new Promise((resolve) => {
      this.#pings.set(id, [...(this.#pings.get(id) ?? []), resolve]);
      this.#driver.perform((mesh, nowMs) => mesh.ping(nowMs, id));
    });
  }

  addRevocation(bytes: Uint8Array): ReturnType<Mesh['addRevocation']> {
    return this.#driver.perform((mesh, nowMs) => mesh.addRevocation(nowMs, bytes));
  }

  // --- Life ---

  /** @param listening resolves when the port is bound */
  async start(listening: Promise<void>): Promise<void> {
    const { node, identity, log } = this.#env;
    const { config } = this.#settings;
    node.driver.perform((device, nowMs) =>
      device.setPrivateKey(nowMs, identity.key.agreementSecret),
    );
    node.driver.setFirewallMark(config.firewallMark);
    node.driver.setListenPort(config.listenPort);
    node.driver.dataPlane.acceptGossip(true);
    await this.#configureTunnels(this.#settings, null);
    const { scheduler } = this.#env;
    await withTimeout(scheduler, listening, LISTEN_TIMEOUT_MS, `${config.device} did not come up`);
    this.#refreshAddresses();
    this.#driver.perform((mesh, nowMs) => mesh.start(nowMs));
    await this.#resolveSeeds();
    await this.#firstContact();
    this.#every(REVIEW_MS, () => this.#review());
    this.#every(ADDRESSES_MS, () => this.#refreshAddresses());
    this.#every(RESOLVE_MS, () => void this.#resolveSeeds());
    this.#every(EXPIRY_MS, () => this.#warnOfExpiry());
    const { name } = this.#settings;
    log.info('up', { name, device: config.device, port: config.listenPort, id: identity.id });
  }

  /** Waits a moment for a member that is known to answer: then the tunnels work when we say that we are up. */
  async #firstContact(): Promise<void> {
    if ([...this.mesh.members()].length === 0) return;
    const contact = new Promise<void>((resolve) => {
      this.#contacted = resolve;
    });
    await withTimeout(this.#env.scheduler, contact, CONTACT_TIMEOUT_MS, 'no answer').catch(
      () => {},
    );
  }

  receive(datagrams: Parameters<MeshDriver['receive']>[0]): void {
    this.#driver.receive(datagrams);
  }

  /** Takes in what is in the files now, all of it or nothing. */
  async reload(): Promise<ReloadResult> {
    const { paths, crypto, runIp: run } = this.#env;
    const before = this.#settings;
    const settings = loadSettings(paths);
    const fixed = needsRestart(before, settings);
    if (fixed !== null) {
      throw new WeftError('ERESTART', `${fixed} changes with a restart only: weft down, weft up`);
    }
    const connected = await checkMeshOverlap(settings, crypto, run);
    this.#setSockets(before.config, settings.config);
    const changes = describeChanges(before, settings);
    this.#settings = settings;
    this.#trust = this.#createTrust(settings, this.#trust.revocations());
    this.log.level = settings.config.logLevel;
    // an authority's key, or the right to issue, may have come
    this.#invites = this.#openInvites(settings);
    this.#driver.perform((mesh, nowMs) => {
      mesh.setInvites(this.#invites);
      mesh.setTrust(nowMs, this.#trust);
      if (changes.includes('certificate')) mesh.setCertificate(nowMs, settings.certificateBytes);
      if (changes.includes('routes')) mesh.setRoutes(nowMs, settings.routes);
    });
    this.#refreshAddresses();
    await this.#configureTunnels(settings, connected);
    await this.#resolveSeeds();
    this.log.info('reloaded', { changes });
    return { changes };
  }

  /** Tells the others, then ends. */
  async down(): Promise<void> {
    if (this.#ending) return this.closed;
    this.#ending = true;
    const left = new Promise<void>((resolve) => {
      this.#left = resolve;
    });
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
    for (const cancel of this.#timers) cancel();
    void this.#tunnels.stop();
  }

  #every(intervalMs: number, action: () => void): void {
    let cancel = () => {};
    const arm = () => {
      this.#timers.delete(cancel);
      cancel = this.#env.scheduler.after(intervalMs, () => {
        action();
        if (!this.#ending) arm();
      });
      this.#timers.add(cancel);
    };
    arm();
  }

  // --- What the mesh asks for ---

  #carryOut(request: MeshRequest): void {
    const { store, log } = this.#env;
    switch (request.type) {
      case 'member-changed':
        this.#memberChanged(request);
        break;
      case 'member-forgotten':
        log.info('member removed', { id: request.id, reason: request.reason });
        this.#states.delete(request.id);
        this.#tunnels.forget(request.id);
        break;
      case 'save-state':
        this.#save('members', () => store.writeBytes('members', encodeState(request.state)));
        break;
      case 'save-revocation':
        this.#save('revocations', () => store.writeRevocations(this.#trust.revocations()));
        break;
      case 'save-invites':
        this.#save('invites', () => store.writeBytes('invites', request.state));
        break;
      case 'event':
        log.write(request.level, request.message, request.fields);
        break;
      case 'pong': {
        const waiting = this.#pings.get(request.id) ?? [];
        this.#pings.delete(request.id);
        for (const resolve of waiting) resolve(request.rttMs);
        break;
      }
      case 'left':
        this.#left();
        break;
    }
  }

  #memberChanged(request: Extract<MeshRequest, { type: 'member-changed' }>): void {
    this.#logChange(request);
    this.#tunnels.changed();
    this.#tunnels.renew(request.member.id);
    if (request.member.observedEndpoint !== null) this.#contacted();
  }

  #logChange({ member, reason }: Extract<MeshRequest, { type: 'member-changed' }>): void {
    const { record, state, observedEndpoint } = member;
    const endpoint = observedEndpoint && formatEndpoint(observedEndpoint, String);
    const fields = { name: record.name, address: record.addresses.map(formatAddress)[0] };
    const before = this.#states.get(member.id);
    this.#states.set(member.id, state);
    if (reason === 'joined') this.log.info('member joined', { ...fields, state, id: member.id });
    else if (state !== before) this.log.info(`member ${state}`, { ...fields, endpoint });
    else this.log.debug('member changed', { ...fields, what: reason, endpoint });
  }

  /** A full disk stops no tunnel. */
  #save(what: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      this.log.error('cannot save: a restart will not know of it', { what, err: error });
    }
  }

  // --- What happens regularly ---

  #review(): void {
    const { dataPlane, device } = this.#env.node.driver;
    const sinceMs = dataPlane.nowMs() - 2 * REVIEW_MS;
    this.#driver.perform((mesh, nowMs) => {
      for (const { member, publicKey } of this.#tunnels.plans) {
        const peer = member === null ? undefined : device.peer(publicKey);
        if (member === null || peer === undefined) continue;
        if (dataPlane.stats.lastReceivedMs(peer.id) > sinceMs) mesh.trafficSeen(nowMs, member);
      }
    });
    this.#tunnels.review();
  }

  /** Tells the mesh where this node can be reached, if that has changed. */
  #refreshAddresses(): void {
    const endpoints = this.#endpoints();
    const text = JSON.stringify(endpoints.map((endpoint) => formatEndpoint(endpoint, String)));
    if (text === this.#endpointsTold) return;
    this.#endpointsTold = text;
    this.#driver.perform((mesh, nowMs) => mesh.setLocalEndpoints(nowMs, endpoints));
  }

  #endpoints(): Endpoint[] {
    const { config } = this.#settings;
    const isInside = (address: IpAddress) => this.#isInside(address);
    return [...config.announce, ...localEndpoints(config.listenPort, config.device, isInside)];
  }

  #isInside(address: IpAddress): boolean {
    return meshPrefixes(this.#env.crypto, this.#settings).some((each) => contains(each, address));
  }

  async #resolveSeeds(): Promise<void> {
    const { config, mesh: file } = this.#settings;
    const seeds = await resolveEndpoints([...config.seeds, ...file.seeds], this.#env.resolver);
    if (this.#ending) return;
    this.#driver.perform((mesh, nowMs) => mesh.setSeeds(nowMs, seeds));
  }

  #warnOfExpiry(): void {
    for (const { name, days, notAfter } of this.#trust.expiryWarnings(wallTime().seconds)) {
      const ends = new Date(notAfter * 1000).toISOString();
      this.log.warn('a certificate ends soon', { name, withinDays: days, ends });
    }
  }

  // --- Configuration ---

  /** @param known revocations that are in force: one that could not be saved holds all the same */
  #createTrust({ trustedKeys, mesh, ...saved }: Settings, known: Iterable<Uint8Array>): TrustStore {
    const addressing = { meshId: mesh.meshId, v4Prefix: mesh.v4Prefix };
    const revocations = [...saved.revocations, ...known];
    return new TrustStore(this.#env.crypto, { keys: trustedKeys, revocations, addressing });
  }

  /** Null if nothing here may sign certificates. */
  #openInvites({ mesh, certificate, certificateBytes }: Settings): InviteBook | null {
    const { store, crypto, identity, random } = this.#env;
    const seed = store.readSeed('authority');
    const isDelegate = certificate?.canIssue !== undefined;
    if (seed === null && !isDelegate) return null;
    return new InviteBook(
      {
        crypto,
        random,
        meshId: mesh.meshId,
        meshKey: mesh.meshKey,
        node: identity.id,
        signer: seed === null ? identity : createIdentity(crypto, seed),
        signerCertificate: seed === null ? certificateBytes : null,
        nameOwner: (name) => this.#nameOwner(name),
      },
      store.readBytes('invites'),
    );
  }

  #nameOwner(name: string): NodeId | null {
    const self = this.mesh.self();
    if (self.name === name) return self.id;
    for (const { id, record } of this.mesh.members()) if (record.name === name) return id;
    return null;
  }

  async #configureTunnels(
    settings: Settings,
    connected: TunnelsConfig['connected'] | null,
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
      connected: connected ?? (await connectedRoutes(settings.config.device, run)),
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
        const reason = error instanceof Error ? error.message : String(error);
        throw new WeftError('EADDRINUSE', `ListenPort ${after.listenPort}: ${reason}`);
      }
    }
    driver.setFirewallMark(after.firewallMark);
  }
}

/** @throws WeftError EOVERLAP */
export function checkMeshOverlap(
  settings: Settings,
  crypto: MeshCrypto,
  run: IpRunner,
): Promise<ConnectedRoute[]> {
  const remedy =
    'renumber that network, or make the mesh anew with weft init --prefix PREFIX/LENGTH of addresses that no host uses';
  return checkOverlap(meshPrefixes(crypto, settings), settings.config.device, run, remedy);
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
