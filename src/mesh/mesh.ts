// The mesh core's only entry. Datagrams, configuration, the tunnels' signs of life and the time go in; effects and the time of
// the next tick come out. Nothing here blocks, sends, or reads a clock.
//
//   receive() -> post.ts (channel, packets) -> inbox.ts -> membership.ts    records, accusations, revocations, suspicion
//   tick()    -------------------------------------------> detector.ts      probes and acks, for us and for others
//                                                          synchroniser.ts  push/pull
//                                                          dissemination.ts news to some at random
//                                                          contact.ts       seeds
//                                                          own-record.ts    what we say of ourselves
//                                                          address-book.ts  who has which address
//   takeEffects() <- effects, then the channel's datagrams

import type { Datagram, Endpoint, Prefix } from '../core/types.js';
import { AddressBook } from './address-book.js';
import type { AddressTable } from './addresses.js';
import { Channel } from './channel/channel.js';
import { Contact } from './contact.js';
import {
  Counters,
  EffectList,
  type MeshContext,
  type MeshEnvironment,
  type Seed,
} from './context.js';
import { Detector } from './detector.js';
import { Dissemination } from './dissemination.js';
import type { MeshEffect } from './effects.js';
import { Inbox } from './inbox.js';
import type { InviteBook } from './invite.js';
import { type InviteRequest, JoinDesk } from './join-desk.js';
import { Knowledge, recordMessage } from './knowledge.js';
import { Membership } from './membership.js';
import { OwnRecord } from './own-record.js';
import { PathValidation } from './path-validation.js';
import { Post } from './post.js';
import { Saver } from './state.js';
import { Awareness } from './swim/awareness.js';
import { BroadcastQueue } from './swim/broadcast-queue.js';
import { type MemberEntry, MemberTable } from './swim/members.js';
import { Synchroniser } from './synchroniser.js';
import type { TrustStore } from './trust.js';
import {
  MAX_MEMBERS,
  type Member,
  type MemberRecord,
  type MemberState,
  type NodeId,
} from './types.js';

export type { MeshConfig, MeshEnvironment, Seed } from './context.js';
export type { MemberChange, MeshEffect, MeshState, SavedMember } from './effects.js';

/** News on its way at once: a record of each member, and as many accusations. */
const MAX_BROADCASTS = 2 * MAX_MEMBERS;
/** Members that are told directly of our leave. */
const MAX_TOLD_OF_LEAVE = 16;
/** They are told so often, each time after this pause: a datagram may be lost. */
const LEAVE_WORDS = 3;
const LEAVE_PAUSE_MS = 120;
/** A tick this late means that the process did not run. */
const LATE_INTERVALS = 0.5;

export interface MeshHealth {
  /** 0 = healthy; see swim/awareness.ts. */
  readonly awareness: number;
  /** Members by state, without this node. */
  readonly counts: Readonly<Record<MemberState, number>>;
  readonly broadcastsQueued: number;
}

type Phase = 'stopped' | 'running' | 'leaving';

export class Mesh {
  readonly #context: MeshContext;
  readonly #saved: MeshEnvironment['saved'];
  readonly #channel: Channel;
  readonly #post: Post;
  readonly #knowledge: Knowledge;
  readonly #own: OwnRecord;
  readonly #membership: Membership;
  readonly #detector: Detector;
  readonly #synchroniser: Synchroniser;
  readonly #contact: Contact;
  readonly #saver: Saver;
  readonly #joinDesk: JoinDesk;
  readonly #paths: PathValidation;
  readonly #inbox: Inbox;
  readonly #dissemination: Dissemination;
  readonly #addresses: AddressBook;
  #phase: Phase = 'stopped';
  /** When the next tick was asked for. */
  #tickMs = Infinity;
  #leaveMs = Infinity;
  #leaveWordsLeft = 0;

  constructor(env: MeshEnvironment) {
    const { crypto, random, identity, config } = env;
    const table = new MemberTable(random);
    const context: MeshContext = {
      crypto,
      random,
      identity,
      trust: env.trust,
      wallTime: () => env.wallTime(),
      config,
      table,
      broadcasts: new BroadcastQueue(MAX_BROADCASTS),
      awareness: new Awareness(config.timings.awarenessMaxMultiplier),
      effects: new EffectList(),
      counters: new Counters(),
    };
    this.#context = context;
    this.#saved = env.saved;
    const isMember = (id: NodeId) => table.get(id) !== undefined;
    const { meshKey } = config;
    this.#channel = new Channel({ crypto, random, identity, meshKey, isMember });
    this.#post = new Post(context, this.#channel);
    this.#knowledge = new Knowledge(crypto, table);
    this.#own = new OwnRecord(context, env.saved, (nowMs, save) => this.#ownChanged(nowMs, save));
    this.#saver = new Saver(context, this.#own);
    const parts = { knowledge: this.#knowledge, own: this.#own, post: this.#post };
    this.#membership = new Membership(context, {
      ...parts,
      listener: {
        changed: (nowMs, entry) => this.#memberChanged(nowMs, entry),
        joined: (entry) => this.#detector.joined(entry),
        forgotten: (entry) => this.#memberForgotten(entry),
      },
    });
    this.#detector = new Detector(context, { ...parts, membership: this.#membership });
    this.#synchroniser = new Synchroniser(context, { ...parts, membership: this.#membership });
    this.#contact = new Contact(context, this.#post, () => this.#detector.hello(true));
    this.#joinDesk = new JoinDesk(context, this.#post, this.#own);
    this.#paths = new PathValidation(context, this.#post);
    this.#inbox = new Inbox(context, {
      post: this.#post,
      paths: this.#paths,
      membership: this.#membership,
      detector: this.#detector,
      synchroniser: this.#synchroniser,
      joinDesk: this.#joinDesk,
    });
    this.#dissemination = new Dissemination(context, this.#post);
    this.#addresses = new AddressBook(context, this.#own);
  }

  // --- Life ---

  start(nowMs: number): void {
    if (this.#phase !== 'stopped') return;
    this.#phase = 'running';
    this.#inbox.isAnswering = true;
    this.#leaveMs = Infinity;
    for (const bytes of this.#context.trust.revocations()) this.#knowledge.addRevocation(bytes);
    for (const member of this.#saved?.members ?? []) {
      this.#membership.restore(nowMs, member, member.state === 'dead');
    }
    this.#own.publish(nowMs);
    this.#membership.start(nowMs);
    this.#detector.start(nowMs);
    this.#synchroniser.start(nowMs);
    this.#contact.start(nowMs);
  }

  /** Says so to everybody; the effect `left` follows when enough was done about it. */
  leave(nowMs: number): void {
    if (this.#phase !== 'running') return;
    this.#phase = 'leaving';
    this.#inbox.isAnswering = false;
    this.#leaveMs = nowMs;
    this.#leaveWordsLeft = LEAVE_WORDS;
    this.#detector.stop();
    this.#synchroniser.stop();
    this.#contact.stop();
    this.#own.leave(nowMs);
    this.#sayLeave(nowMs);
  }

  /** To some directly, others at random each time; they pass it on. With nobody there it is said at once. */
  #sayLeave(nowMs: number): void {
    const told = this.#context.table.sample(MAX_TOLD_OF_LEAVE, (entry) => entry.isPresent);
    if (this.#leaveWordsLeft === 0 || told.length === 0) {
      this.#leaveMs = Infinity;
      this.#phase = 'stopped';
      this.#context.effects.push({ type: 'left' });
      return;
    }
    this.#leaveWordsLeft--;
    this.#leaveMs = nowMs + LEAVE_PAUSE_MS;
    for (const entry of told) this.#post.send(nowMs, entry, [recordMessage(this.#own.signed)]);
  }

  // --- Inputs ---

  /** A gossip datagram from the network, of any content. */
  receive(nowMs: number, datagram: Datagram): void {
    const received = this.#post.receive(nowMs, datagram);
    if (received === null || this.#phase === 'stopped') return;
    this.#inbox.receive(nowMs, received);
  }

  tick(nowMs: number): void {
    this.#noticePause(nowMs);
    this.#channel.tick(nowMs);
    if (this.#phase === 'running') {
      this.#membership.tick(nowMs);
      this.#detector.tick(nowMs);
      this.#synchroniser.tick(nowMs);
      this.#contact.tick(nowMs);
      this.#addresses.tick(nowMs);
    }
    this.#dissemination.tick(nowMs);
    this.#saver.tick(nowMs);
    if (nowMs >= this.#leaveMs) this.#sayLeave(nowMs);
  }

  setLocalEndpoints(nowMs: number, endpoints: readonly Endpoint[]): void {
    this.#own.setLocalEndpoints(nowMs, endpoints);
    this.#contact.retry(nowMs);
  }

  /** The seeds' names were resolved anew. */
  setSeeds(nowMs: number, seeds: readonly Seed[]): void {
    this.#contact.setSeeds(nowMs, seeds);
  }

  setRoutes(nowMs: number, routes: readonly Prefix[]): void {
    this.#own.setRoutes(nowMs, routes);
  }

  /** @param certificate empty: none any more */
  setCertificate(nowMs: number, certificate: Uint8Array): void {
    this.#own.setCertificate(nowMs, certificate);
  }

  /** What this node can do beyond the basics. */
  setCapabilities(nowMs: number, capabilities: readonly string[]): void {
    this.#own.setCapabilities(nowMs, capabilities);
  }

  /** Authenticated tunnel traffic of this member: counts as an ack. */
  trafficSeen(nowMs: number, id: NodeId): void {
    const entry = this.#context.table.get(id);
    if (entry === undefined || this.#phase !== 'running') return;
    const wasSilentMs = nowMs - entry.lastTrafficMs;
    this.#membership.heard(nowMs, entry);
    this.#detector.traffic(nowMs, entry);
    // It lives though it was given up: let it say so.
    const { probeIntervalMs } = this.#context.config.timings;
    if (entry.state === 'dead' && wasSilentMs > probeIntervalMs) {
      this.#detector.probeQuietly(nowMs, id);
    }
  }

  /** Keys were added or removed: everybody is judged again. */
  setTrust(nowMs: number, trust: TrustStore): void {
    this.#membership.setTrust(nowMs, trust);
    this.#contact.retry(nowMs);
  }

  addRevocation(nowMs: number, bytes: Uint8Array): 'new' | 'known' | 'foreign' | 'bad' {
    return this.#membership.revocation(nowMs, bytes);
  }

  /** Who may come with an invite; null: nobody. */
  setInvites(invites: InviteBook | null): void {
    this.#joinDesk.invites = invites;
  }

  /**
   * @param request without endpoints: those of the own record
   * @returns the token, to be shown only if `save-invites` is carried out
   * @throws WeftError EINVITE if this node cannot issue, or cannot issue this
   */
  issueInvite(_nowMs: number, request: InviteRequest): string {
    return this.#joinDesk.issue(request);
  }

  /** What became of the effect `save-invites`. */
  invitesSaved(nowMs: number, isOnDisk: boolean): void {
    this.#joinDesk.saved(nowMs, isOnDisk);
  }

  /** One probe now; the effect `pong` is its result. */
  ping(nowMs: number, id: NodeId): void {
    if (this.#phase === 'running') this.#detector.ping(nowMs, id);
    else this.#context.effects.push({ type: 'pong', id, rttMs: null });
  }

  // --- Outputs ---

  self(): MemberRecord {
    return this.#own.record;
  }

  /** A view that follows what becomes of the member. */
  member(id: NodeId): Member | undefined {
    return this.#context.table.get(id);
  }

  /** All but this node, in no order. */
  members(): Iterable<Member> {
    return this.#context.table.entries();
  }

  /** Who has which address, this node included. */
  addresses(): AddressTable {
    return this.#addresses.table();
  }

  health(): MeshHealth {
    const { awareness, table, broadcasts } = this.#context;
    return {
      awareness: awareness.score,
      counts: { ...table.counts() },
      broadcastsQueued: broadcasts.size,
    };
  }

  /** When tick() is wanted next; Infinity if never. */
  nextTickMs(nowMs: number): number {
    this.#tickMs = Math.max(nowMs, Math.min(this.#dueMs, this.#channel.nextTickMs()));
    return this.#tickMs;
  }

  /** What is to be done, in order; empties the list. */
  takeEffects(): readonly MeshEffect[] {
    const effects = this.#context.effects.take();
    // Datagrams last: what must be on the disk before others hear of it comes first.
    for (const { path, bytes } of this.#channel.takeDatagrams()) {
      effects.push({ type: 'send-datagram', path, bytes });
    }
    return effects;
  }

  counters(): Readonly<Record<string, number>> {
    const counters = this.#context.counters.entries();
    counters['broadcasts-dropped'] = this.#context.broadcasts.dropped;
    for (const [name, count] of Object.entries(this.#channel.counters())) {
      counters[`channel-${name}`] = count;
    }
    for (const [name, count] of Object.entries(this.#context.trust.counters())) {
      counters[`trust-${name}`] = count;
    }
    return counters;
  }

  // --- Time ---

  get #dueMs(): number {
    const due = Math.min(this.#dissemination.nextMs, this.#saver.nextMs, this.#leaveMs);
    if (this.#phase !== 'running') return due;
    return Math.min(
      due,
      this.#membership.nextMs,
      this.#detector.nextMs,
      this.#synchroniser.nextMs,
      this.#contact.nextMs,
      this.#addresses.nextMs,
    );
  }

  /** While we did not run nobody could answer us: their silence proves nothing, but ours may be noticed. */
  #noticePause(nowMs: number): void {
    if (this.#phase !== 'running') return;
    const { probeIntervalMs } = this.#context.config.timings;
    const lateMs = nowMs - this.#tickMs;
    this.#tickMs = Infinity;
    if (lateMs < LATE_INTERVALS * probeIntervalMs) return;
    this.#context.counters.add('paused');
    this.#context.awareness.apply(1);
    this.#membership.postpone(lateMs);
    this.#detector.resume(nowMs);
  }

  // --- Consequences ---

  #ownChanged(nowMs: number, save: boolean): void {
    const { signed } = this.#own;
    this.#knowledge.setOwn(signed);
    this.#addresses.ownChanged();
    this.#context.broadcasts.add({ subject: signed.record.id, bytes: recordMessage(signed) });
    if (save) this.#saver.save(nowMs);
  }

  #memberChanged(nowMs: number, entry: MemberEntry): void {
    this.#saver.changed(nowMs);
    this.#addresses.memberChanged(entry);
  }

  #memberForgotten(entry: MemberEntry): void {
    this.#channel.forget(entry.id);
    this.#paths.forgotten(entry.id);
    this.#detector.forgotten(entry);
    this.#synchroniser.forgotten(entry.id);
  }
}
