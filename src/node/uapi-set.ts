// Applies the lines of one UAPI `set` to the device, as they arrive. Not atomic, as wireguard-go: what stands before a
// bad line stays.

import { WeftError } from '../core/errors.js';
import type { Prefix, PublicKey } from '../core/types.js';
import type { Device, Peer } from '../wg/device.js';
import { parseSetLine, type SetFailure, type SetOperation, UapiErrno } from '../wg/uapi.js';
import type { Driver } from './driver.js';
import { resolveZone } from './system.js';

/** Prefixes gathered before they are given to the device, so that a request of any length needs bounded memory. */
const MAX_PENDING_PREFIXES = 4096;

/** The peer that the lines speak of. It is created by the first line that needs it: `update_only` may yet forbid it. */
interface Selection {
  readonly publicKey: PublicKey;
  /** Null until it is created, and while the lines are to be ignored. */
  peer: Peer | null;
  created: boolean;
  /** Our own key, an unknown peer under update_only, or one just removed. */
  ignored: boolean;
}

export class UapiSet {
  readonly #driver: Driver;
  #selection: Selection | null = null;
  #added: Prefix[] = [];
  #removed: Prefix[] = [];
  #keepaliveSeconds: number | null = null;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** Applies lines up to the first bad one. */
  apply(lines: readonly string[]): SetFailure | null {
    return this.#driver.perform((device, nowMs) => {
      for (const line of lines) {
        const section = this.#selection === null ? 'device' : 'peer';
        const operation = parseSetLine(line, section, resolveZone);
        const failure =
          operation.type === 'failure' ? operation : this.#attempt(device, nowMs, operation);
        if (failure !== null) {
          this.finish();
          return failure;
        }
      }
      return null;
    });
  }

  /** The blank line was read: the last peer is complete. */
  finish(): SetFailure | null {
    return this.#driver.perform((device, nowMs) => {
      try {
        this.#finishPeer(device, nowMs);
        return null;
      } catch (error) {
        return failureOf(error, UapiErrno.invalid);
      }
    });
  }

  #attempt(device: Device, nowMs: number, operation: SetOperation): SetFailure | null {
    try {
      if (this.#selection === null || operation.type === 'peer') {
        this.#applyToInterface(device, nowMs, operation);
      } else {
        this.#applyToPeer(device, nowMs, operation);
      }
      return null;
    } catch (error) {
      const isSocketOption = operation.type === 'listen-port' || operation.type === 'firewall-mark';
      return failureOf(error, isSocketOption ? UapiErrno.addressInUse : UapiErrno.invalid);
    }
  }

  #applyToInterface(device: Device, nowMs: number, operation: SetOperation): void {
    switch (operation.type) {
      case 'private-key':
        device.setPrivateKey(nowMs, operation.key);
        break;
      case 'listen-port':
        this.#driver.setListenPort(operation.port);
        break;
      case 'firewall-mark':
        this.#driver.setFirewallMark(operation.mark);
        break;
      case 'replace-peers':
        device.removeAllPeers();
        break;
      case 'peer': {
        this.#finishPeer(device, nowMs);
        const peer = device.peer(operation.publicKey) ?? null;
        this.#selection = {
          publicKey: operation.publicKey,
          peer,
          created: false,
          ignored: false,
        };
      }
    }
  }

  #applyToPeer(device: Device, nowMs: number, operation: SetOperation): void {
    switch (operation.type) {
      case 'update-only':
        this.#forgetIfNew(device);
        return;
      case 'remove':
        this.#remove(device);
        return;
      case 'persistent-keepalive':
        // given to the device last: it may send at once, and needs the endpoint
        this.#keepaliveSeconds = operation.seconds;
        return;
      case 'protocol-version':
        return;
    }
    const peer = this.#peer(device, nowMs);
    if (peer === null) return;
    switch (operation.type) {
      case 'preshared-key':
        device.setPresharedKey(peer, operation.key);
        break;
      case 'endpoint':
        device.setEndpoint(nowMs, peer, operation.endpoint);
        break;
      case 'replace-allowed-ips':
        this.#flushPrefixes(device, peer);
        device.replaceAllowedIps(peer);
        break;
      case 'add-allowed-ip':
        if (this.#removed.length > 0) this.#flushPrefixes(device, peer);
        this.#added.push(operation.prefix);
        break;
      case 'remove-allowed-ip':
        if (this.#added.length > 0) this.#flushPrefixes(device, peer);
        this.#removed.push(operation.prefix);
        break;
    }
    if (this.#added.length + this.#removed.length >= MAX_PENDING_PREFIXES) {
      this.#flushPrefixes(device, peer);
    }
  }

  /** The selected peer, created if need be; null if the lines about it are to be ignored. */
  #peer(device: Device, nowMs: number): Peer | null {
    const selection = this.#selection;
    if (selection === null || selection.ignored) return null;
    if (selection.peer === null) {
      selection.peer = device.addPeer(nowMs, selection.publicKey);
      selection.created = selection.peer !== null;
    }
    if (selection.peer === null) this.#ignore(selection);
    return selection.peer;
  }

  #forgetIfNew(device: Device): void {
    const selection = this.#selection;
    if (selection === null || selection.ignored) return;
    if (selection.peer === null || selection.created) this.#remove(device);
  }

  #remove(device: Device): void {
    const selection = this.#selection;
    if (selection === null || selection.ignored) return;
    if (selection.peer !== null) device.removePeer(selection.peer);
    this.#ignore(selection);
  }

  #ignore(selection: Selection): void {
    selection.ignored = true;
    selection.peer = null;
    this.#added = [];
    this.#removed = [];
    this.#keepaliveSeconds = null;
  }

  #flushPrefixes(device: Device, peer: Peer): void {
    if (this.#added.length > 0) device.addAllowedIps(peer, this.#added);
    if (this.#removed.length > 0) device.removeAllowedIps(peer, this.#removed);
    this.#added = [];
    this.#removed = [];
  }

  #finishPeer(device: Device, nowMs: number): void {
    const peer = this.#peer(device, nowMs);
    if (peer === null) return;
    this.#flushPrefixes(device, peer);
    if (this.#keepaliveSeconds !== null) {
      device.setPersistentKeepalive(nowMs, peer, this.#keepaliveSeconds);
    }
    this.#keepaliveSeconds = null;
  }
}

/** @param errno what an error that a user can act on is answered with */
function failureOf(error: unknown, errno: number): SetFailure {
  const reason = error instanceof Error ? error.message : 'unknown error';
  return {
    type: 'failure',
    errno: error instanceof WeftError ? errno : UapiErrno.unknown,
    reason,
  };
}
