// This node's own record: what it says of itself, and the incarnation that makes the latest word the valid one.

import { sameEndpoint } from '../core/network.js';
import type { Endpoint, IpAddress, Prefix } from '../core/types.js';
import { deriveV4, deriveV6 } from './addresses.js';
import { decodeCertificate } from './certificate.js';
import type { MeshContext } from './context.js';
import type { MeshState } from './effects.js';
import { distinctEndpoints, isContactable, ObservedEndpoints } from './endpoints.js';
import { MAX_ADDRESS_COUNTER, MAX_INCARNATION, signRecord } from './record.js';
import { MAX_ENDPOINTS, type MemberRecord, type NodeId, type SignedRecord } from './types.js';

/** Incarnations that are saved as used before they are: a node that refutes much does not write much. */
const RESERVED_INCARNATIONS = 16;
/** Derived addresses that are looked at for a free one: where nine in ten are taken one in a thousand nodes finds none. */
const MAX_ADDRESSES_TRIED = 64;

export class OwnRecord {
  readonly #context: MeshContext;
  /** A new record is out: to be told to everybody. `save`: to be on the disk before. */
  readonly #onChange: (nowMs: number, save: boolean) => void;
  readonly #observed = new ObservedEndpoints();
  #local: readonly Endpoint[] = [];
  #routes: readonly Prefix[];
  #certificate: Uint8Array;
  #capabilities: readonly string[];
  #addressCounter: number;
  #left = false;
  #incarnation: number;
  /** The first incarnation that is not saved as used. */
  #reserved: number;
  #published = false;
  #signed: SignedRecord;

  constructor(
    context: MeshContext,
    saved: MeshState | null,
    onChange: (nowMs: number, save: boolean) => void,
  ) {
    this.#context = context;
    this.#onChange = onChange;
    this.#routes = context.config.routes;
    this.#certificate = context.config.certificate;
    this.#capabilities = context.config.capabilities;
    this.#addressCounter = saved?.addressCounter ?? 0;
    this.#incarnation = Math.min(saved?.incarnation ?? 1, MAX_INCARNATION);
    this.#reserved = this.#incarnation;
    this.#signed = this.#sign();
  }

  get signed(): SignedRecord {
    return this.#signed;
  }

  get record(): MemberRecord {
    return this.#signed.record;
  }

  /** The first incarnation that a restarted node may use. */
  get reservedIncarnation(): number {
    return this.#reserved;
  }

  get addressCounter(): number {
    return this.#addressCounter;
  }

  /** Addresses that the certificate gives. */
  get pinned(): readonly IpAddress[] {
    return decodeCertificate(this.#certificate)?.addresses ?? [];
  }

  /** Since when it is trusted: the start of its certificate in seconds, 0 without one. */
  get since(): number {
    return decodeCertificate(this.#certificate)?.notBefore ?? 0;
  }

  /** From here on others know it, and every change needs a new incarnation. */
  publish(nowMs: number): void {
    if (this.#left) {
      this.#left = false;
      this.#incarnation = Math.min(this.#incarnation + 1, MAX_INCARNATION);
    }
    this.#published = true;
    this.#reserve();
    this.#signed = this.#sign();
    this.#onChange(nowMs, true);
  }

  /** A new incarnation above `above`: refutes what is said of all up to that. */
  raise(nowMs: number, above = this.#incarnation): void {
    if (this.#published) {
      const next = Math.max(this.#incarnation, above) + 1;
      if (next > MAX_INCARNATION) {
        this.#context.counters.add('incarnations-exhausted');
        this.#context.effects.event('error', 'incarnations are used up: make a new identity');
        return;
      }
      this.#incarnation = next;
    }
    const save = this.#reserve();
    this.#signed = this.#sign();
    if (this.#published) this.#onChange(nowMs, save);
  }

  leave(nowMs: number): void {
    this.#left = true;
    this.raise(nowMs);
  }

  setLocalEndpoints(nowMs: number, endpoints: readonly Endpoint[]): void {
    if (sameList(endpoints, this.#local, sameEndpoint)) return;
    this.#local = [...endpoints];
    this.#observed.clear();
    this.#endpointsChanged(nowMs);
  }

  /** A member saw us there. */
  observed(nowMs: number, reporter: NodeId, endpoint: Endpoint): void {
    if (this.#observed.report(reporter, endpoint)) this.#endpointsChanged(nowMs);
  }

  setRoutes(nowMs: number, routes: readonly Prefix[]): void {
    this.#routes = [...routes];
    this.raise(nowMs);
  }

  setCertificate(nowMs: number, certificate: Uint8Array): void {
    this.#certificate = certificate;
    this.raise(nowMs);
  }

  setCapabilities(nowMs: number, capabilities: readonly string[]): void {
    if (sameList(capabilities, this.#capabilities, (a, b) => a === b)) return;
    this.#capabilities = [...capabilities];
    this.raise(nowMs);
  }

  /**
   * Another member has our IPv4 address by right: derives the next that is free.
   * @returns false if none was found, or ours is pinned
   */
  nextAddress(nowMs: number, isFree: (address: IpAddress) => boolean): boolean {
    const { crypto, config, identity } = this.#context;
    if (config.v4Prefix === null || this.#pinnedV4 !== undefined) return false;
    const last = Math.min(this.#addressCounter + MAX_ADDRESSES_TRIED, MAX_ADDRESS_COUNTER);
    for (let counter = this.#addressCounter + 1; counter <= last; counter++) {
      if (!isFree(deriveV4(crypto, config.v4Prefix, identity.id, counter))) continue;
      this.#addressCounter = counter;
      this.raise(nowMs);
      return true;
    }
    return false;
  }

  get #pinnedV4(): IpAddress | undefined {
    return this.pinned.find((address) => address.length === 4);
  }

  #endpointsChanged(nowMs: number): void {
    if (!sameList(this.#endpoints(), this.record.endpoints, sameEndpoint)) this.raise(nowMs);
  }

  #endpoints(): Endpoint[] {
    const all = [...this.#local, ...this.#observed.agreed()];
    const told = all.filter(
      (endpoint) => endpoint.port !== 0 && endpoint.scopeId === 0 && isContactable(endpoint),
    );
    return distinctEndpoints(told, MAX_ENDPOINTS);
  }

  #addresses(): IpAddress[] {
    const { crypto, config, identity } = this.#context;
    const addresses: IpAddress[] = [];
    const v4 = this.#pinnedV4;
    if (v4 !== undefined) addresses.push(v4);
    else if (config.v4Prefix !== null) {
      addresses.push(deriveV4(crypto, config.v4Prefix, identity.id, this.#addressCounter));
    }
    const v6 = this.pinned.find((address) => address.length === 16);
    addresses.push(v6 ?? deriveV6(crypto, config.meshId, identity.id));
    return addresses;
  }

  /** True if more were reserved, which is to be saved. */
  #reserve(): boolean {
    if (this.#incarnation < this.#reserved) return false;
    this.#reserved = Math.min(this.#incarnation + RESERVED_INCARNATIONS, MAX_INCARNATION);
    return true;
  }

  #sign(): SignedRecord {
    const { identity, config } = this.#context;
    return signRecord(identity, {
      id: identity.id,
      incarnation: this.#incarnation,
      name: config.name,
      endpoints: this.#endpoints(),
      addresses: this.#addresses(),
      addressCounter: this.#addressCounter,
      routes: this.#routes,
      capabilities: this.#capabilities,
      certificate: this.#certificate,
      left: this.#left,
    });
  }
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, i) => same(item, b[i] as T));
}
