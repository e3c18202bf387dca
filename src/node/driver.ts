// Runs the WireGuard core on a data plane: every input (datagram, event, configuration, timer) goes into the device,
// then the effects that the device asks for go down in order, then ONE timer is armed for its next deadline. The
// interface's own settings, listen port and firewall mark, live here since the core knows no sockets.

import { WeftError } from '../core/errors.js';
import type { Datagram } from '../core/types.js';
import type { ControlEvent, DataPlane } from '../dataplane/dataplane.js';
import type { Device } from '../wg/device.js';
import type { Effect } from '../wg/effects.js';
import { FIRST_GOSSIP_BYTE } from '../wire/gossip.js';
import type { Logger } from './logger.js';
import type { Scheduler } from './system.js';

/** Datagrams taken in one turn of the event loop: a flood of handshakes leaves room for timers and the UAPI. */
const SLICE_DATAGRAMS = 32;

/** What a mesh on the same socket wants to know. */
export interface DriverHooks {
  /** Datagrams that are not WireGuard's. The data plane lets them up once acceptGossip() is called. */
  onGossip?(datagrams: readonly Datagram[]): void;
  /** The link came up: the port is bound, or could not be. */
  onListen?(error: WeftError | null): void;
}

export interface DriverEnvironment extends DriverHooks {
  readonly device: Device;
  readonly dataPlane: DataPlane;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** The interface was deleted: the node must stop. */
  onLinkGone(): void;
}

export class Driver {
  readonly device: Device;
  readonly dataPlane: DataPlane;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  readonly #onLinkGone: () => void;
  readonly #hooks: DriverHooks;
  #cancelTimer: (() => void) | null = null;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #sliceAhead = false;
  #stopped = false;
  #linkUp = false;
  #listening = false;
  #listenPort = 0;
  #firewallMark = 0;

  constructor(environment: DriverEnvironment) {
    this.device = environment.device;
    this.dataPlane = environment.dataPlane;
    this.#scheduler = environment.scheduler;
    this.#logger = environment.logger;
    this.#onLinkGone = environment.onLinkGone;
    this.#hooks = environment;
  }

  /** Starts the data plane; from here on inputs flow. */
  start(): void {
    this.dataPlane.start(() => this.#readSoon());
  }

  /** No input is taken and no timer runs from here on. The data plane stays open. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** The port in use, or the one to be bound when the interface comes up; 0 = none chosen yet. */
  get listenPort(): number {
    return this.#listenPort;
  }

  get firewallMark(): number {
    return this.#firewallMark;
  }

  /** Gives the device an input, then does what it asks for. */
  perform<T>(input: (device: Device, nowMs: number) => T): T {
    try {
      return input(this.device, this.dataPlane.nowMs());
    } finally {
      this.#settle();
    }
  }

  /**
   * While the interface is down the port is only remembered. The sockets stay if they have this port already.
   * @param port 0 = any free one
   * @throws WeftError EADDRINUSE or another errno name; the earlier port stays
   */
  setListenPort(port: number): void {
    if (!this.#linkUp) {
      this.#listenPort = port;
      return;
    }
    if (this.#listening && port !== 0 && port === this.#listenPort) return;
    this.#listen(port);
  }

  setFirewallMark(mark: number): void {
    if (mark === this.#firewallMark) return;
    this.#firewallMark = mark;
    this.dataPlane.setFirewallMark(mark);
  }

  #listen(port: number): void {
    this.#listenPort = this.dataPlane.listen(port);
    this.#listening = true;
    this.#logger.debug('listening', { port: this.#listenPort });
    if (!this.device.isUp) this.perform((device, nowMs) => device.up(nowMs));
  }

  #settle(): void {
    for (const effect of this.device.takeEffects()) applyEffect(this.dataPlane, effect);
    this.#armTimer();
  }

  #armTimer(): void {
    if (this.#stopped) return;
    const nowMs = this.dataPlane.nowMs();
    const dueMs = this.device.nextTickMs();
    if (dueMs === this.#timerDueMs && this.#cancelTimer !== null) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(1, Math.ceil(dueMs - nowMs));
    this.#cancelTimer = this.#scheduler.after(delayMs, () => {
      this.#cancelTimer = null;
      this.perform((device, tickMs) => device.tick(tickMs));
    });
  }

  #readSoon(): void {
    if (this.#sliceAhead) return;
    this.#sliceAhead = true;
    this.#scheduler.soon(() => this.#readSlice());
  }

  #readSlice(): void {
    this.#sliceAhead = false;
    if (this.#stopped) return;
    const batch = this.dataPlane.read(SLICE_DATAGRAMS);
    if (batch.backlog > 0) this.#readSoon();
    for (const event of batch.events) this.#handleEvent(event);
    const gossip: Datagram[] = [];
    this.perform((device, nowMs) => {
      if (batch.underLoad) device.noteLoad(nowMs);
      for (const datagram of batch.datagrams) {
        if ((datagram.bytes[0] ?? 0) >= FIRST_GOSSIP_BYTE) gossip.push(datagram);
        else device.receive(nowMs, datagram);
      }
    });
    if (gossip.length > 0) this.#hooks.onGossip?.(gossip);
  }

  #handleEvent(event: ControlEvent): void {
    switch (event.type) {
      case 'handshake-needed':
        this.perform((device, nowMs) => device.handshakeNeeded(nowMs, event.peer));
        break;
      case 'keypair-confirmed':
        this.perform((device, nowMs) => device.keypairConfirmed(nowMs, event.peer));
        break;
      case 'endpoint-changed':
        this.perform((device) => device.endpointChanged(event.peer, event.endpoint));
        break;
      case 'keypair-retired':
        this.perform((device) => device.keypairRetired(event.localIndex));
        break;
      case 'peer-removed':
        this.perform((device) => device.peerRemoved(event.peer));
        break;
      case 'link-changed':
        this.#handleLink(event.up);
        break;
      case 'link-gone':
        this.#logger.debug('interface deleted');
        this.#onLinkGone();
        break;
    }
  }

  #handleLink(up: boolean): void {
    if (up === this.#linkUp) return;
    this.#linkUp = up;
    this.#logger.debug(up ? 'interface up' : 'interface down');
    if (up) {
      this.#listenOnLinkUp();
      return;
    }
    if (this.device.isUp) this.perform((device, nowMs) => device.down(nowMs));
    this.#listening = false;
    this.dataPlane.unlisten();
  }

  /** A port in use leaves the device down until another is set, or the link comes up again. */
  #listenOnLinkUp(): void {
    try {
      this.#listen(this.#listenPort);
      this.#hooks.onListen?.(null);
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      this.#logger.error('cannot listen: the device stays down', {
        port: this.#listenPort,
        reason: error.message,
      });
      this.#hooks.onListen?.(error);
    }
  }
}

function applyEffect(dataPlane: DataPlane, effect: Effect): void {
  switch (effect.type) {
    case 'set-public-key':
      dataPlane.setPublicKey(effect.publicKey);
      break;
    case 'set-cookie-secret':
      dataPlane.setCookieSecret(effect.secret);
      break;
    case 'add-peer':
      dataPlane.addPeer(effect.peer);
      break;
    case 'remove-peer':
      dataPlane.removePeer(effect.peer);
      break;
    case 'set-endpoint':
      dataPlane.setEndpoint(effect.peer, effect.endpoint);
      break;
    case 'update-allowed-ips':
      dataPlane.updateAllowedIps(effect.peer, effect.added, effect.removed);
      break;
    case 'install-keypair':
      dataPlane.installKeypair(effect.peer, effect.keypair);
      break;
    case 'clear-keypairs':
      dataPlane.clearKeypairs(effect.peer);
      break;
    case 'drop-staged':
      dataPlane.dropStaged(effect.peer);
      break;
    case 'send-keepalive':
      dataPlane.sendKeepalive(effect.peer);
      break;
    case 'clear-source':
      dataPlane.clearSource(effect.peer);
      break;
    case 'clear-unanswered':
      dataPlane.clearUnanswered(effect.peer);
      break;
    case 'send-handshake':
      dataPlane.sendHandshake(effect.peer, effect.bytes);
      break;
    case 'handshake-received':
      dataPlane.handshakeReceived(effect.peer, effect.path, effect.length);
      break;
    case 'send-datagram':
      dataPlane.sendDatagram(effect.path, effect.bytes);
      break;
  }
}
