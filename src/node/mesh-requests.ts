// What the mesh core asks for beyond sending, carried out: on the disk, in the log, in the tunnels, and for whoever waits.

import { formatAddress, formatEndpoint } from '../core/address.js';
import { decodeCertificate } from '../mesh/certificate.js';
import { encodeState } from '../mesh/state.js';
import type { TrustStore } from '../mesh/trust.js';
import type { MemberState, NodeId } from '../mesh/types.js';
import type { MeshRequest } from './mesh-driver.js';
import type { MeshLog } from './mesh-log.js';
import type { StateStore } from './state-store.js';
import type { Tunnels } from './tunnels.js';

export interface MeshRequestsEnvironment {
  readonly store: StateStore;
  readonly log: MeshLog;
  /** Asked each time: a reload replaces it. */
  trust(): TrustStore;
  tunnels(): Tunnels;
  /** Whether the invites are on the disk: those who use them are answered only then. */
  onInvitesSaved(isOnDisk: boolean): void;
}

export class MeshRequests {
  readonly #env: MeshRequestsEnvironment;
  readonly #pings = new Map<NodeId, ((rttMs: number | null) => void)[]>();
  /** As last logged. */
  readonly #states = new Map<NodeId, MemberState>();
  #left: () => void = () => {};
  #contacted: () => void = () => {};

  constructor(env: MeshRequestsEnvironment) {
    this.#env = env;
  }

  /** Resolves with the next result of a ping; null: no answer. */
  pong(id: NodeId): Promise<number | null> {
    return new Promise((resolve) => {
      this.#pings.set(id, [...(this.#pings.get(id) ?? []), resolve]);
    });
  }

  /** Resolves when the mesh has said that this node leaves. */
  left(): Promise<void> {
    return new Promise((resolve) => {
      this.#left = resolve;
    });
  }

  /** Resolves when a member is heard from. */
  contacted(): Promise<void> {
    return new Promise((resolve) => {
      this.#contacted = resolve;
    });
  }

  carryOut(request: MeshRequest): void {
    const { store, log } = this.#env;
    switch (request.type) {
      case 'member-changed':
        this.#memberChanged(request);
        break;
      case 'member-forgotten':
        log.info('member removed', { id: request.id, reason: request.reason });
        this.#states.delete(request.id);
        this.#env.tunnels().forget(request.id);
        break;
      case 'save-state':
        this.#save('members', () => store.writeBytes('members', encodeState(request.state)));
        break;
      case 'save-revocation':
        this.#save('revocations', () => store.writeRevocations(this.#env.trust().revocations()));
        break;
      case 'save-invites':
        this.#saveInvites(request);
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
    const tunnels = this.#env.tunnels();
    tunnels.changed();
    tunnels.renew(request.member.id);
    if (request.member.observedEndpoint !== null) this.#contacted();
  }

  #logChange({ member, reason }: Extract<MeshRequest, { type: 'member-changed' }>): void {
    const { log } = this.#env;
    const { record, state, observedEndpoint } = member;
    const endpoint = observedEndpoint && formatEndpoint(observedEndpoint, String);
    const fields = { name: record.name, address: record.addresses.map(formatAddress)[0] };
    const before = this.#states.get(member.id);
    this.#states.set(member.id, state);
    // at a start those of the saved state are among them, who may have left long ago
    const joined = state === 'alive' ? 'member joined' : 'member known';
    if (reason === 'joined') log.info(joined, { ...fields, state, id: member.id });
    else if (state !== before) log.info(`member ${state}`, { ...fields, endpoint });
    else log.debug('member changed', { ...fields, what: reason, endpoint });
  }

  #saveInvites({ state, certificate }: Extract<MeshRequest, { type: 'save-invites' }>): void {
    const { store } = this.#env;
    const isOnDisk = this.#save('invites', () => {
      const serial = certificate && decodeCertificate(certificate)?.serial;
      if (certificate && serial) store.writeIssued(serial, certificate);
      store.writeBytes('invites', state);
    });
    this.#env.onInvitesSaved(isOnDisk);
  }

  /** A full disk stops no tunnel. @returns whether it is on the disk */
  #save(what: string, write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      this.#env.log.error('cannot save: a restart will not know of it', { what, err: error });
      return false;
    }
  }
}
