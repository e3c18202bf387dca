// The table of members: whom this node has admitted, what it last heard of each, and what it thinks of each.

import { sameEndpoint } from '../../core/network.js';
import type { Random } from '../../core/random.js';
import type { Endpoint, IpAddress, Path } from '../../core/types.js';
import { RateLimit } from '../rate.js';
import {
  type Accusation,
  MAX_MEMBERS,
  type Member,
  type MemberRecord,
  type MemberState,
  type NodeId,
  type SignedRecord,
} from '../types.js';
import { sample } from './sampling.js';
import type { Suspicion } from './suspicion.js';
import { Trials } from './trials.js';

/** Push/pull with one that knows a thousand members stays far below. */
const MESSAGES_PER_MEMBER = { perSecond: 2_000, burst: 8_192 };
/** A member's probes are one in a probe interval, each of a few helpers; it asks all of them of one when there are no others. */
const INDIRECT_PINGS_PER_MEMBER = { perSecond: 10, burst: 40 };
/** Twice as often as an accused member refutes. */
const RECORDS_PER_MEMBER = { perSecond: 4, burst: 16 };
/** At most one probe of a member fails in a probe interval; others pass them on in heaps. */
const ACCUSATIONS_PER_ACCUSER = { perSecond: 2, burst: 32 };
/** The shortest suspicion lasts as long as one of these takes. */
const REFUTATIONS_PER_ACCUSER = { perSecond: 0.25, burst: 8 };
/** A way is proven for so long, and proven anew when the member is heard from there and this much has passed. */
const PROOF_LIFETIME_MS = 2 * 3_600_000;
const PROVE_AGAIN_MS = 15 * 60_000;
/** Smoothing of round-trip times (RFC 6298, section 2). */
const RTT_GAIN = 1 / 8;

export class MemberEntry implements Member {
  readonly id: NodeId;
  signed: SignedRecord;
  /** Changed by MemberTable.enter() only. */
  state: MemberState = 'alive';
  stateSinceMs: number;
  lastHeardMs = -Infinity;
  /** Last authenticated tunnel traffic. */
  lastTrafficMs = -Infinity;
  rttMs: number | null = null;
  /** The way that it last spoke along and that was proven to lead to it: the one that replies take. */
  path: Path | null = null;
  /** When it was. */
  provenMs = -Infinity;
  /** What is sent to addresses that are not proven. */
  readonly trials = new Trials();
  /** It has answered us since it last missed a probe: it knows who we are. */
  knowsUs = false;
  /** Of its present incarnation, by accuser. Kept while it is dead: they are the evidence for others. */
  readonly accusations = new Map<NodeId, Accusation>();
  suspicion: Suspicion | null = null;
  /** When its accusing us last counted against our own health. */
  blamedUsMs = -Infinity;
  /** Addresses that an authority, or the key file, gave it. */
  pinned: readonly IpAddress[] = [];
  /** Since when it is trusted, see AddressClaim. */
  since = 0;
  /** Which of its endpoints is tried next. */
  endpointTurn = 0;
  /** What it may say: each message may cost a signature's verification. */
  readonly rate = new RateLimit(MESSAGES_PER_MEMBER);
  /** What it may have us send to others. */
  readonly relayRate = new RateLimit(INDIRECT_PINGS_PER_MEMBER);
  /** How often its record may change. Only what it has signed counts. */
  readonly recordRate = new RateLimit(RECORDS_PER_MEMBER);
  /** Whom it may accuse. Only what it has signed counts. */
  readonly accusationRate = new RateLimit(ACCUSATIONS_PER_ACCUSER);
  /** How often it may have us refute. */
  readonly refutationRate = new RateLimit(REFUTATIONS_PER_ACCUSER);
  /** When it last got our buckets, and our pages. */
  gotBucketsMs = -Infinity;
  gotPagesMs = -Infinity;
  /** Place in the table's list. */
  index = -1;

  constructor(nowMs: number, signed: SignedRecord) {
    this.id = signed.record.id;
    this.signed = signed;
    this.stateSinceMs = nowMs;
  }

  get record(): MemberRecord {
    return this.signed.record;
  }

  get observedEndpoint(): Endpoint | null {
    return this.path?.remote ?? null;
  }

  get incarnation(): number {
    return this.signed.record.incarnation;
  }

  /** Alive or suspect: worth probing, asking and telling. */
  get isPresent(): boolean {
    return this.state === 'alive' || this.state === 'suspect';
  }

  /** Whether it has shown, and not too long ago, that it receives what is sent there: see path-validation.ts. */
  isProven(nowMs: number, way: Endpoint): boolean {
    const { path, provenMs } = this;
    return path !== null && sameEndpoint(path.remote, way) && nowMs - provenMs < PROOF_LIFETIME_MS;
  }

  /** The proof of its path is old: it is to be asked for another. */
  wantsProof(nowMs: number): boolean {
    return nowMs - this.provenMs >= PROVE_AGAIN_MS;
  }

  measured(rttMs: number): void {
    this.rttMs = this.rttMs === null ? rttMs : this.rttMs + RTT_GAIN * (rttMs - this.rttMs);
  }

  /** Where to try: the way it last came, then what its record says. */
  candidates(): (Endpoint | Path)[] {
    const { path, record } = this;
    if (path === null) return [...record.endpoints];
    const others = record.endpoints.filter((endpoint) => !sameEndpoint(endpoint, path.remote));
    return [path, ...others];
  }

  /** As it is now, for those who keep it. */
  snapshot(): Member {
    const { id, record, state, stateSinceMs, lastHeardMs, rttMs, observedEndpoint } = this;
    return { id, record, state, stateSinceMs, lastHeardMs, rttMs, observedEndpoint };
  }
}

export class MemberTable {
  readonly #random: Random;
  readonly #byId = new Map<NodeId, MemberEntry>();
  readonly #list: MemberEntry[] = [];
  readonly #counts: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 };

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#byId.size;
  }

  get isFull(): boolean {
    return this.size >= MAX_MEMBERS - 1;
  }

  /** In no order that means anything. */
  entries(): readonly MemberEntry[] {
    return this.#list;
  }

  get(id: NodeId): MemberEntry | undefined {
    return this.#byId.get(id);
  }

  /** Alive or suspect. */
  get presentCount(): number {
    return this.#counts.alive + this.#counts.suspect;
  }

  counts(): Readonly<Record<MemberState, number>> {
    return this.#counts;
  }

  enter(nowMs: number, entry: MemberEntry, state: MemberState): void {
    if (entry.state === state) return;
    this.#counts[entry.state]--;
    this.#counts[state]++;
    entry.state = state;
    entry.stateSinceMs = nowMs;
  }

  add(entry: MemberEntry): void {
    this.#counts[entry.state]++;
    entry.index = this.#list.length;
    this.#list.push(entry);
    this.#byId.set(entry.id, entry);
  }

  remove(entry: MemberEntry): void {
    this.#counts[entry.state]--;
    this.#byId.delete(entry.id);
    const last = this.#list.pop() as MemberEntry;
    if (last !== entry) {
      this.#list[entry.index] = last;
      last.index = entry.index;
    }
    entry.index = -1;
  }

  /** At most `count` members that are `wanted`, each equally likely. */
  sample(count: number, wanted: (entry: MemberEntry) => boolean): MemberEntry[] {
    return sample(this.#random, this.#list, count, wanted);
  }
}
