// The mesh core's only entry. Datagrams, configuration, the tunnels' signs of life and the time go in; effects and the time of
// the next tick come out. Nothing here blocks, sends, or reads a clock.
//
//   receive() -> post.ts (channel, packets) -> membership.ts   records, accusations, revocations, suspicion
//   tick()    ------------------------------> detector.ts      probes and acks, for us and for others
//                                             synchroniser.ts  push/pull
//                                             contact.ts       seeds
//                                             own-record.ts    what we say of ourselves
//   takeEffects() <- effects, then the channel's datagrams

import type { Datagram, Endpoint, Path, Prefix } from '../core/types.js';
import { type AddressTable, resolveAddresses } from './addresses.js';
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
import type { MeshEffect } from './effects.js';
import { sameEndpoint } from './endpoints.js';
import type { InviteBook } from './invite.js';
import { type InviteRequest, JoinDesk } from './join-desk.js';
import { Knowledge, recordMessage } from './knowledge.js';
import { Membership, reminder, type Source } from './membership.js';
import type { Message } from './messages.js';
import { OwnRecord } from './own-record.js';
import { Post } from './post.js';
import { decodeRecord } from './record.js';
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
/** News in one datagram, about: with more in the queue more than one goes to each. */
const NEWS_PER_DATAGRAM = 16;
const MAX_NEWS_DATAGRAMS = 4;
/** Members that are told directly of our leave. */
const MAX_TOLD_OF_LEAVE = 16;
const LEAVE_MS = 1_500;
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
  #phase: Phase = 'stopped';
  #lastGossipMs = -Infinity;
  /** When the next tick was asked for. */
  #tickMs = Infinity;
  #leaveMs = Infinity;
  /** Somebody claims our IPv4 address: who has it is to be found out. */
  #contested = false;
  #addresses: AddressTable | null = null;

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
  }

  // --- Life ---

  start(nowMs: number): void {
    if (this.#phase !== 'stopped') return;
    this.#phase = 'running';
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
    this.#leaveMs = nowMs + LEAVE_MS;
    this.#detector.stop();
    this.#synchroniser.stop();
    this.#contact.stop();
    this.#own.leave(nowMs);
    const told = this.#context.table.sample(MAX_TOLD_OF_LEAVE, (entry) => entry.isPresent);
    for (const entry of told) this.#post.send(nowMs, entry, [recordMessage(this.#own.signed)]);
  }

  // --- Inputs ---

  /** A gossip datagram from the network, of any content. */
  receive(nowMs: number, datagram: Datagram): void {
    const received = this.#post.receive(nowMs, datagram);
    if (received === null || this.#phase === 'stopped') return;
    const { from, path, messages } = received;
    const entry = this.#context.table.get(from);
    if (entry !== undefined) this.#heard(nowMs, entry, path);
    const introductions = new Set<Message['type']>();
    for (const message of messages) {
      if (message.type === 'hello' || message.type === 'join') {
        // The answer may be larger: one datagram gets no more than one of each.
        if (introductions.has(message.type)) this.#context.counters.add('introduction-repeated');
        else if (message.type === 'hello') this.#receiveHello(nowMs, from, path, message);
        else this.#joinDesk.receive(nowMs, from, path, message);
        introductions.add(message.type);
      } else {
        // Looked up each time: a message may have made it a member, or no member any more.
        const member = this.#context.table.get(from);
        if (member === undefined) this.#context.counters.add('from-stranger');
        else if (!member.rate.allow(nowMs)) this.#context.counters.add('member-over-rate');
        else this.#receiveFromMember(nowMs, member, path, message);
      }
    }
    const pages = messages.filter((message) => message.type === 'page');
    const member = this.#context.table.get(from);
    if (pages.length > 0 && member !== undefined) {
      this.#synchroniser.receivePages(nowMs, member, pages);
    }
  }

  tick(nowMs: number): void {
    this.#noticePause(nowMs);
    this.#channel.tick(nowMs);
    if (this.#phase === 'running') {
      this.#membership.tick(nowMs);
      this.#detector.tick(nowMs);
      this.#synchroniser.tick(nowMs);
      this.#contact.tick(nowMs);
      if (this.#contested) this.#settleAddress(nowMs);
    }
    if (nowMs >= this.#gossipMs) this.#gossip(nowMs);
    this.#saver.tick(nowMs);
    if (nowMs >= this.#leaveMs) {
      this.#leaveMs = Infinity;
      this.#phase = 'stopped';
      this.#context.effects.push({ type: 'left' });
    }
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
   * @returns the token, to be shown only after `save-invites` is carried out
   * @throws WeftError EINVITE if this node cannot issue, or cannot issue this
   */
  issueInvite(_nowMs: number, request: InviteRequest): string {
    return this.#joinDesk.issue(request);
  }

  /** One probe now; the effect `pong` is its result. */
  ping(nowMs: number, id: NodeId): void {
    this.#detector.ping(nowMs, id);
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
    if (this.#addresses === null) {
      const { crypto, table, config } = this.#context;
      const { record, pinned, since } = this.#own;
      const others = table.entries().filter(({ state }) => state !== 'left');
      const claims = [{ id: record.id, record, pinned, since }, ...others];
      this.#addresses = resolveAddresses(crypto, claims, config.v4Prefix);
    }
    return this.#addresses;
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
    const due = Math.min(this.#gossipMs, this.#saver.nextMs, this.#leaveMs);
    if (this.#phase !== 'running') return due;
    return Math.min(
      due,
      this.#membership.nextMs,
      this.#detector.nextMs,
      this.#synchroniser.nextMs,
      this.#contact.nextMs,
      this.#contested ? -Infinity : Infinity,
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

  get #gossipMs(): number {
    if (this.#context.broadcasts.size === 0 || this.#context.table.presentCount === 0) {
      return Infinity;
    }
    return this.#lastGossipMs + this.#context.config.timings.gossipIntervalMs;
  }

  #gossip(nowMs: number): void {
    const { table, broadcasts, config } = this.#context;
    const { gossipFanout, gossipToTheDeadMs } = config.timings;
    this.#lastGossipMs = nowMs;
    const told = table.sample(
      gossipFanout,
      (entry) =>
        entry.isPresent ||
        (entry.state === 'dead' && nowMs - entry.stateSinceMs < gossipToTheDeadMs),
    );
    const datagrams = Math.min(MAX_NEWS_DATAGRAMS, Math.ceil(broadcasts.size / NEWS_PER_DATAGRAM));
    for (const entry of told) {
      for (let i = 0; i < datagrams; i++) this.#post.sendNews(nowMs, entry);
    }
  }

  // --- Messages ---

  #heard(nowMs: number, entry: MemberEntry, path: Path): void {
    const before = entry.observedEndpoint;
    entry.path = path;
    if (before === null || !sameEndpoint(before, path.remote)) {
      const member = entry.snapshot();
      this.#context.effects.push({ type: 'member-changed', member, reason: 'endpoint' });
    }
    this.#membership.heard(nowMs, entry);
  }

  /** Somebody says who it is: all that a stranger is heard for, but for an invite. */
  #receiveHello(
    nowMs: number,
    from: NodeId,
    path: Path,
    hello: Extract<Message, { type: 'hello' }>,
  ): void {
    if (decodeRecord(hello.payload)?.id !== from) {
      this.#context.counters.add('hello-of-another');
      return;
    }
    const { outcome } = this.#membership.record(nowMs, hello.payload, hello.signature, 'owner');
    const entry = this.#context.table.get(from);
    if (entry === undefined || this.#phase !== 'running') return;
    this.#heard(nowMs, entry, path);
    const answer: Uint8Array[] = [];
    // It was restarted without its state: it must go above what it once was.
    if (outcome === 'stale') answer.push(...reminder(entry));
    if (hello.answer) answer.push(this.#detector.hello(false));
    if (answer.length > 0) this.#post.send(nowMs, entry, answer, path);
    if (hello.answer) return;
    entry.knowsUs = true;
    this.#synchroniser.contact(nowMs, entry);
  }

  #receiveFromMember(nowMs: number, from: MemberEntry, path: Path, message: Message): void {
    switch (message.type) {
      case 'record':
        this.#receiveRecord(nowMs, from, message.payload, message.signature);
        break;
      case 'accusation':
        this.#membership.accusation(nowMs, message);
        break;
      case 'revocation':
        this.#membership.revocation(nowMs, message.bytes);
        break;
      case 'ping':
        if (this.#phase === 'running') this.#detector.receivePing(nowMs, from, path, message);
        break;
      case 'ack':
        this.#detector.receiveAck(nowMs, from, message);
        break;
      case 'indirect-ping':
        this.#detector.receiveIndirectPing(nowMs, from, message);
        break;
      case 'relayed-ack':
        this.#detector.receiveRelayedAck(message);
        break;
      case 'nack':
        this.#detector.receiveNack(message);
        break;
      case 'digest':
        this.#synchroniser.receiveDigest(nowMs, from, message);
        break;
      case 'buckets':
        this.#synchroniser.receiveBuckets(nowMs, from, message);
        break;
      case 'want':
        this.#synchroniser.receiveWant(nowMs, from, message);
        break;
      case 'more':
        this.#synchroniser.receiveMore(nowMs, from, message);
        break;
    }
  }

  #receiveRecord(
    nowMs: number,
    from: MemberEntry,
    payload: Uint8Array,
    signature: Uint8Array,
  ): void {
    const source: Source = this.#synchroniser.isWith(nowMs, from.id) ? 'sync' : 'news';
    this.#membership.record(nowMs, payload, signature, source);
  }

  // --- Consequences ---

  #ownChanged(nowMs: number, save: boolean): void {
    const { signed } = this.#own;
    this.#knowledge.setOwn(signed);
    this.#addresses = null;
    this.#context.broadcasts.add({ subject: signed.record.id, bytes: recordMessage(signed) });
    if (save) this.#saver.save(nowMs);
  }

  #memberChanged(nowMs: number, entry: MemberEntry): void {
    this.#saver.changed(nowMs);
    this.#addresses = null;
    const ours = this.#own.record.addresses;
    this.#contested ||= entry.record.addresses.some((address) =>
      ours.some(
        (own) => own.length === address.length && own.every((byte, i) => byte === address[i]),
      ),
    );
  }

  #memberForgotten(entry: MemberEntry): void {
    this.#addresses = null;
    this.#channel.forget(entry.id);
    this.#detector.forgotten(entry);
    this.#synchroniser.forgotten(entry.id);
  }

  #settleAddress(nowMs: number): void {
    this.#contested = false;
    const { id } = this.#own.record;
    if (!this.addresses().losers.includes(id)) return;
    this.#own.nextAddress(nowMs);
    this.#context.effects.event('warn', 'another member has our IPv4 address: took the next one', {
      counter: this.#own.addressCounter,
    });
  }
}
