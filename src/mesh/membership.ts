// Who belongs to the mesh, and what this node thinks of each: records, accusations and revocations come in, from whomever
// passes them on, and become the table, news for others, and effects.
//
//   record      -> newer than ours? signed by its owner? trusted? -> table, news
//   accusation  -> of this incarnation? by a member that has not said it yet? signed? -> suspicion, news
//   suspicion   -> nobody refuted in time -> dead
//
// Only a record changes what a member is; an accusation, whoever passes it on, is no more than its accuser's word.

import { sameBytes } from '../core/bytes.js';
import type { MeshContext } from './context.js';
import { memberCount } from './context.js';
import type { MemberChange } from './effects.js';
import { evidence, type Knowledge, recordMessage, revocationMessage } from './knowledge.js';
import { encodeMessage } from './messages.js';
import type { OwnRecord } from './own-record.js';
import {
  decodeRecord,
  openRecord,
  recordId,
  signAccusation,
  verifyAccusation,
  verifyRecord,
} from './record.js';
import { Refusals } from './refusals.js';
import { MemberEntry } from './swim/members.js';
import {
  expectedConfirmations,
  LAST_WORD_INTERVALS,
  minimumTimeoutMs,
  Suspicion,
} from './swim/suspicion.js';
import type { Acceptance, TrustStore } from './trust.js';
import type { Accusation, SignedRecord } from './types.js';

/** The wall clock may be set: all are judged again so often, besides when a certificate ends. */
const JUDGE_INTERVAL_MS = 60_000;
/** A refutation is not repeated faster, however often we are accused. */
const REFUTE_INTERVAL_MS = 500;
/** One member's accusations say no more of our health than one each so often: if we are unwell, others notice too. */
const BLAME_INTERVAL_MS = 10_000;

/** How a record came. 'owner': from itself. 'sync': by push/pull. */
export type Source = 'owner' | 'news' | 'sync';
export type Outcome = 'new' | 'updated' | 'known' | 'stale' | 'refused' | 'own';

export interface MembershipListener {
  changed(nowMs: number, entry: MemberEntry): void;
  joined(entry: MemberEntry): void;
  forgotten(entry: MemberEntry): void;
}

export class Membership {
  readonly #context: MeshContext;
  readonly #knowledge: Knowledge;
  readonly #own: OwnRecord;
  readonly #listener: MembershipListener;
  readonly #refusals = new Refusals();
  readonly #suspected = new Set<MemberEntry>();
  /** Suspects whose last word is to be asked for. */
  #doubted: MemberEntry[] = [];
  #suspicionMs = Infinity;
  #judgeMs = Infinity;
  #refuteMs = Infinity;
  #lastRefuteMs = -Infinity;
  /** What comes by push/pull is news to others too: false until we know what they know. */
  settled = false;

  constructor(
    context: MeshContext,
    parts: { knowledge: Knowledge; own: OwnRecord; listener: MembershipListener },
  ) {
    this.#context = context;
    this.#knowledge = parts.knowledge;
    this.#own = parts.own;
    this.#listener = parts.listener;
  }

  start(nowMs: number): void {
    this.#judgeMs = Math.min(this.#judgeMs, nowMs + JUDGE_INTERVAL_MS);
  }

  /** Of an earlier run: judged as if it came now, but dead members stay dead until they answer. */
  restore(
    nowMs: number,
    signed: { payload: Uint8Array; signature: Uint8Array },
    dead: boolean,
  ): void {
    const { table, crypto, identity } = this.#context;
    const opened = openRecord(crypto, signed.payload, signed.signature);
    if (opened === null || opened.record.id === identity.id) return;
    if (table.isFull || table.get(opened.record.id) !== undefined) return;
    const verdict = this.#judge(opened);
    if (verdict === null) return;
    const entry = this.#admit(nowMs, opened, verdict);
    if (dead && entry.state === 'alive') table.enter(nowMs, entry, 'dead');
    const member = entry.snapshot();
    this.#context.effects.push({ type: 'member-changed', member, reason: 'joined' });
  }

  // --- Records ---

  record(
    nowMs: number,
    payload: Uint8Array,
    signature: Uint8Array,
    source: Source,
  ): { outcome: Outcome; entry: MemberEntry | null } {
    const { table, identity, counters } = this.#context;
    const held = this.#heldAs(payload);
    if (held !== null) return held;
    const record = decodeRecord(payload);
    if (record === null) {
      counters.add('record-malformed');
      return { outcome: 'refused', entry: null };
    }
    if (record.id === identity.id) {
      this.#ownRecord(nowMs, { record, payload, signature });
      return { outcome: 'own', entry: null };
    }
    const entry = table.get(record.id) ?? null;
    if (entry !== null && record.incarnation <= entry.incarnation) {
      return { outcome: record.incarnation < entry.incarnation ? 'stale' : 'known', entry };
    }
    if (entry === null && source !== 'owner') {
      const refusal = this.#refusals.of(nowMs, record.id, record.incarnation);
      if (refusal === 'forgotten') counters.add('record-of-forgotten');
      if (refusal !== null) return { outcome: 'refused', entry: null };
    }
    const signed = verifyRecord(this.#context.crypto, { record, payload, signature });
    if (signed === null) {
      counters.add('record-bad-signature');
      return { outcome: 'refused', entry };
    }
    // After the signature: whoever passes on forgeries must not silence their owner.
    if (entry?.recordRate.allow(nowMs) === false) {
      counters.add('record-over-rate');
      return { outcome: 'refused', entry };
    }
    const verdict = this.#judge(signed);
    if (verdict === null) {
      this.#refusals.refuse(nowMs, record.id, record.incarnation);
      return { outcome: 'refused', entry };
    }
    if (entry !== null) {
      this.#update(nowMs, entry, signed, verdict);
      return { outcome: 'updated', entry };
    }
    if (table.isFull) {
      counters.add('table-full');
      return { outcome: 'refused', entry: null };
    }
    const joined = this.#admit(nowMs, signed, verdict);
    if (source !== 'sync' || this.settled) this.#tell(signed);
    this.#changed(nowMs, joined, 'joined');
    return { outcome: 'new', entry: joined };
  }

  /** News comes many times: what is held already, byte for byte, is not decoded again. */
  #heldAs(payload: Uint8Array): { outcome: Outcome; entry: MemberEntry | null } | null {
    const id = recordId(payload);
    if (id === null) return null;
    if (id === this.#context.identity.id) {
      return sameBytes(payload, this.#own.signed.payload) ? { outcome: 'own', entry: null } : null;
    }
    const entry = this.#context.table.get(id);
    if (entry === undefined || !sameBytes(payload, entry.signed.payload)) return null;
    return { outcome: 'known', entry };
  }

  #admit(nowMs: number, signed: SignedRecord, verdict: Acceptance): MemberEntry {
    const entry = new MemberEntry(nowMs, signed);
    this.#noteStanding(nowMs, entry, verdict);
    if (signed.record.left) entry.state = 'left';
    this.#refusals.admit(entry.id);
    this.#context.table.add(entry);
    this.#knowledge.setMember(entry);
    this.#listener.joined(entry);
    return entry;
  }

  #update(nowMs: number, entry: MemberEntry, signed: SignedRecord, verdict: Acceptance): void {
    this.#acquit(entry);
    entry.signed = signed;
    entry.trials.reset();
    this.#noteStanding(nowMs, entry, verdict);
    this.#context.table.enter(nowMs, entry, signed.record.left ? 'left' : 'alive');
    this.#knowledge.setMember(entry);
    this.#tell(signed);
    this.#changed(nowMs, entry, 'record');
  }

  /** Passes a record on. */
  #tell(signed: SignedRecord): void {
    this.#context.broadcasts.add({ subject: signed.record.id, bytes: recordMessage(signed) });
  }

  /** Our own record, from others: of an earlier life, or of a second node with our identity. */
  #ownRecord(nowMs: number, told: SignedRecord): void {
    const { incarnation } = told.record;
    if (incarnation < this.#own.record.incarnation) return;
    if (verifyRecord(this.#context.crypto, told) === null) {
      this.#context.counters.add('record-bad-signature');
      return;
    }
    this.#context.counters.add('own-record-newer');
    this.#context.effects.event('info', 'others know a later record of this node: going above it', {
      incarnation,
    });
    this.#own.raise(nowMs, incarnation);
  }

  /** What decides between claims to one address; and when its certificate ends all are judged anew. */
  #noteStanding(nowMs: number, entry: MemberEntry, { pinned, since, notAfter }: Acceptance): void {
    entry.pinned = pinned;
    entry.since = since;
    if (notAfter === undefined) return;
    const { seconds, nanoseconds } = this.#context.wallTime();
    const leftMs = (notAfter - seconds) * 1_000 - nanoseconds / 1e6;
    this.#judgeMs = Math.min(this.#judgeMs, nowMs + leftMs);
  }

  #judge(signed: SignedRecord): Acceptance | null {
    const verdict = this.#context.trust.judge(signed.record, this.#context.wallTime().seconds);
    if (verdict.ok) return verdict;
    this.#context.counters.add(`record-refused-${verdict.reason}`);
    this.#context.effects.event('debug', 'a node is not accepted', {
      id: signed.record.id,
      name: signed.record.name,
      reason: verdict.reason,
      detail: verdict.detail,
    });
    return null;
  }

  // --- Accusations ---

  /** We could not reach it. */
  accuse(nowMs: number, entry: MemberEntry): void {
    const { identity } = this.#context;
    if (!entry.isPresent || entry.accusations.has(identity.id) || !wantsAccusation(entry)) return;
    this.#accept(nowMs, entry, signAccusation(identity, entry.id, entry.incarnation));
  }

  accusation(nowMs: number, accusation: Accusation): void {
    const { table, identity, counters, crypto } = this.#context;
    const { target, accuser, incarnation } = accusation;
    if (target === identity.id) {
      this.#accused(nowMs, accusation);
      return;
    }
    const entry = table.get(target);
    if (entry === undefined || incarnation !== entry.incarnation) return;
    if (entry.accusations.has(accuser) || accuser === target || !wantsAccusation(entry)) return;
    const accuserEntry = table.get(accuser);
    if (accuser !== identity.id && accuserEntry === undefined) {
      counters.add('accuser-unknown');
      return;
    }
    if (!verifyAccusation(crypto, accusation)) {
      counters.add('accusation-bad-signature');
      return;
    }
    // After the signature: whoever passes on forgeries must not silence the accuser.
    if (accuserEntry?.accusationRate.allow(nowMs) === false) {
      counters.add('accuser-over-rate');
      return;
    }
    this.#accept(nowMs, entry, accusation);
  }

  #accept(nowMs: number, entry: MemberEntry, accusation: Accusation): void {
    entry.accusations.set(accusation.accuser, accusation);
    if (entry.state === 'dead') {
      this.#knowledge.setMember(entry);
      return;
    }
    this.#context.broadcasts.add({
      subject: accusationSubject(accusation),
      bytes: encodeMessage({ type: 'accusation', ...accusation }),
    });
    if (entry.suspicion !== null) {
      entry.suspicion.confirm();
      this.#suspicionMs = Math.min(this.#suspicionMs, entry.suspicion.dueMs);
      return;
    }
    this.#suspect(nowMs, entry);
    this.#knowledge.setMember(entry);
    this.#changed(nowMs, entry, 'state');
  }

  #suspect(nowMs: number, entry: MemberEntry): void {
    const { suspicionMultiplier, suspicionMaxMultiplier, probeIntervalMs } =
      this.#context.config.timings;
    const n = memberCount(this.#context);
    const minMs = minimumTimeoutMs(suspicionMultiplier, n, probeIntervalMs);
    entry.suspicion = new Suspicion(nowMs, {
      minMs,
      maxMs: suspicionMaxMultiplier * minMs,
      k: expectedConfirmations(suspicionMultiplier, n),
      lastWordMs: LAST_WORD_INTERVALS * probeIntervalMs,
    });
    this.#suspected.add(entry);
    this.#suspicionMs = Math.min(this.#suspicionMs, entry.suspicion.dueMs);
    this.#context.table.enter(nowMs, entry, 'suspect');
    this.#context.counters.add('suspected');
  }

  /**
   * Something authentic came from it. Dead, it must refute what others hold against it; with nothing held against it
   * (it was dead when we were started) its word is enough.
   */
  heard(nowMs: number, entry: MemberEntry): void {
    entry.lastHeardMs = nowMs;
    entry.trials.reset();
    if (entry.state !== 'dead' || entry.accusations.size > 0) return;
    this.#context.table.enter(nowMs, entry, 'alive');
    this.#changed(nowMs, entry, 'state');
  }

  /** It has spoken for itself: what it stood accused of is void. */
  #acquit(entry: MemberEntry): void {
    for (const accusation of entry.accusations.values()) {
      this.#context.broadcasts.remove(accusationSubject(accusation));
    }
    entry.accusations.clear();
    entry.suspicion = null;
    this.#suspected.delete(entry);
  }

  /** We are accused: only a higher incarnation, signed by us, ends that. */
  #accused(nowMs: number, accusation: Accusation): void {
    const { counters, crypto, awareness } = this.#context;
    const { incarnation, left } = this.#own.record;
    if (left || accusation.incarnation !== incarnation || this.#refuteMs < Infinity) return;
    const accuser = this.#context.table.get(accusation.accuser);
    if (accuser === undefined) {
      counters.add('accuser-unknown');
      return;
    }
    if (!verifyAccusation(crypto, accusation)) {
      counters.add('accusation-bad-signature');
      return;
    }
    if (nowMs - accuser.blamedUsMs >= BLAME_INTERVAL_MS) {
      accuser.blamedUsMs = nowMs;
      awareness.apply(1);
    }
    counters.add('accused');
    // Whoever hears us meanwhile does not give us up, and tells us of it again.
    if (!accuser.refutationRate.allow(nowMs)) {
      counters.add('refutation-over-rate');
      return;
    }
    const refuteMs = this.#lastRefuteMs + REFUTE_INTERVAL_MS;
    if (nowMs >= refuteMs) this.#refute(nowMs);
    else this.#refuteMs = refuteMs;
  }

  #refute(nowMs: number): void {
    this.#refuteMs = Infinity;
    this.#lastRefuteMs = nowMs;
    this.#context.counters.add('refuted');
    this.#own.raise(nowMs);
  }

  // --- Revocations and trust ---

  revocation(nowMs: number, bytes: Uint8Array): 'new' | 'known' | 'foreign' | 'bad' {
    const { trust, broadcasts, effects, counters } = this.#context;
    const outcome = trust.addRevocation(bytes);
    if (outcome === 'bad') counters.add('revocation-bad');
    if (outcome !== 'new') return outcome;
    const kept = bytes.slice();
    this.#knowledge.addRevocation(kept);
    const message = revocationMessage(kept);
    broadcasts.add({ subject: `revocation ${broadcasts.nextSerial}`, bytes: message });
    effects.push({ type: 'save-revocation', bytes: kept });
    this.judgeAll(nowMs);
    return outcome;
  }

  setTrust(nowMs: number, trust: TrustStore): void {
    this.#context.trust = trust;
    this.#refusals.trustChanged();
    for (const bytes of trust.revocations()) this.#knowledge.addRevocation(bytes);
    this.judgeAll(nowMs);
  }

  /** Those that are not trusted any more are members no more. */
  judgeAll(nowMs: number): void {
    const { trust, table } = this.#context;
    this.#judgeMs = nowMs + JUDGE_INTERVAL_MS;
    const { seconds } = this.#context.wallTime();
    for (const entry of [...table.entries()]) {
      const verdict = trust.judge(entry.record, seconds);
      if (verdict.ok) this.#noteStanding(nowMs, entry, verdict);
      else this.#forget(nowMs, entry, verdict.reason);
    }
  }

  // --- Time ---

  get nextMs(): number {
    return Math.min(this.#suspicionMs, this.#judgeMs, this.#refuteMs);
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#refuteMs) this.#refute(nowMs);
    if (nowMs >= this.#suspicionMs) this.#expireSuspicions(nowMs);
    if (nowMs >= this.#judgeMs) {
      this.judgeAll(nowMs);
      this.#forgetOld(nowMs);
    }
  }

  /** We were not running: nobody could refute to us. */
  postpone(byMs: number): void {
    for (const { suspicion } of this.#suspected) suspicion?.postpone(byMs);
    this.#suspicionMs += byMs;
  }

  #expireSuspicions(nowMs: number): void {
    this.#suspicionMs = Infinity;
    for (const entry of [...this.#suspected]) {
      const suspicion = entry.suspicion as Suspicion;
      if (suspicion.dueMs <= nowMs) {
        if (!suspicion.isAsked) {
          suspicion.asked(nowMs);
          this.#doubted.push(entry);
        } else if (entry.lastHeardMs > suspicion.startMs) {
          // Whoever was heard of since lives: it is its refutation that has not come through.
          suspicion.restart(nowMs);
        } else {
          this.#die(nowMs, entry);
          continue;
        }
      }
      this.#suspicionMs = Math.min(this.#suspicionMs, suspicion.dueMs);
    }
  }

  /** Suspects that are to be asked now, since they are given up soon: each once. */
  takeDoubted(): MemberEntry[] {
    return this.#doubted.length === 0 ? [] : this.#doubted.splice(0);
  }

  #die(nowMs: number, entry: MemberEntry): void {
    this.#suspected.delete(entry);
    entry.suspicion = null;
    entry.knowsUs = false;
    this.#context.table.enter(nowMs, entry, 'dead');
    this.#context.counters.add('declared-dead');
    this.#changed(nowMs, entry, 'state');
  }

  #forgetOld(nowMs: number): void {
    const { forgetLeftMs, forgetDeadMs } = this.#context.config.timings;
    for (const entry of [...this.#context.table.entries()]) {
      const ageMs = nowMs - entry.stateSinceMs;
      if (entry.state === 'left' && ageMs > forgetLeftMs) this.#forget(nowMs, entry, 'left');
      if (entry.state === 'dead' && ageMs > forgetDeadMs) this.#forget(nowMs, entry, 'dead');
    }
  }

  #forget(nowMs: number, entry: MemberEntry, reason: string): void {
    const { table, broadcasts, effects } = this.#context;
    this.#acquit(entry);
    broadcasts.remove(entry.id);
    table.remove(entry);
    this.#knowledge.removeMember(entry.id);
    if (reason === 'left' || reason === 'dead') {
      this.#refusals.forget(entry.id, entry.incarnation);
    }
    this.#listener.forgotten(entry);
    effects.push({ type: 'member-forgotten', id: entry.id, reason });
    this.#listener.changed(nowMs, entry);
  }

  #changed(nowMs: number, entry: MemberEntry, reason: MemberChange): void {
    this.#context.effects.push({ type: 'member-changed', member: entry.snapshot(), reason });
    this.#listener.changed(nowMs, entry);
  }
}

/** What to tell one that speaks with a stale record: its latest, and what it stands accused of. */
export function reminder(entry: MemberEntry): Uint8Array[] {
  return [recordMessage(entry.signed), ...evidence(entry)];
}

/** One more accuser changes something: it starts or shortens the suspicion, or is evidence where there is none. */
function wantsAccusation({ state, suspicion, accusations }: MemberEntry): boolean {
  if (state === 'dead') return accusations.size === 0;
  return state === 'alive' || (suspicion?.wantsConfirmation ?? false);
}

function accusationSubject({ target, accuser }: Accusation): string {
  return `${target} by ${accuser}`;
}
