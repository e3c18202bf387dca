// The failure detector: probes members in turn, helps others to probe theirs, and looks after the dead.

import type { Endpoint, Path } from '../core/types.js';
import type { MeshContext } from './context.js';
import { publicKeyOf } from './identity.js';
import type { Membership } from './membership.js';
import { encodeMessage, type Message, PROOF_NONCE_BYTES, proofPayload } from './messages.js';
import type { OwnRecord } from './own-record.js';
import type { Post } from './post.js';
import { RateLimit } from './rate.js';
import { failedProbeDelta } from './swim/awareness.js';
import type { MemberEntry } from './swim/members.js';
import { type Probe, ProbeRing, Prober, probeTimeoutMs, repeatMs } from './swim/probe.js';
import { randomFraction } from './swim/sampling.js';
import { LAST_WORD_INTERVALS } from './swim/suspicion.js';
import type { NodeId } from './types.js';

/** Probes for others under way; more are refused. */
const MAX_RELAYS = 512;
/** A helper reports, ack or nack, this much before the requester stops waiting. */
const RELAY_SHARE = 0.8;
const MAX_RELAY_MS = 5_000;
/** Proofs that we sign for others. */
const PROOF_RATE = { perSecond: 50, burst: 100 };

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

/** A probe on behalf of another member. */
interface Relay {
  readonly requester: NodeId;
  readonly target: NodeId;
  /** The requester's sequence number: the answer is relayed under it. */
  readonly sequence: number;
  readonly nonce: Uint8Array;
  /** The ping is repeated once, half-way. */
  repeatMs: number;
  readonly nackMs: number;
}

export class Detector {
  readonly #context: MeshContext;
  readonly #own: OwnRecord;
  readonly #membership: Membership;
  readonly #post: Post;
  readonly #prober: Prober;
  readonly #ring: ProbeRing;
  readonly #deadRing: ProbeRing;
  /** By the sequence number of our ping to the target. */
  readonly #relays = new Map<number, Relay>();
  readonly #proofRate = new RateLimit(PROOF_RATE);
  /** Of ping(): whoever asked wants to know. */
  readonly #asked = new Set<Probe>();
  #probeMs = Infinity;
  #deadProbeMs = Infinity;

  constructor(context: MeshContext, parts: { own: OwnRecord; membership: Membership; post: Post }) {
    this.#context = context;
    this.#own = parts.own;
    this.#membership = parts.membership;
    this.#post = parts.post;
    this.#prober = new Prober(context.random);
    this.#ring = new ProbeRing(context.random);
    this.#deadRing = new ProbeRing(context.random);
  }

  start(nowMs: number): void {
    const { probeIntervalMs, deadProbeIntervalMs } = this.#context.config.timings;
    this.#probeMs = nowMs + randomFraction(this.#context.random) * probeIntervalMs;
    this.#deadProbeMs = nowMs + randomFraction(this.#context.random) * deadProbeIntervalMs;
  }

  stop(): void {
    this.#probeMs = Infinity;
    this.#deadProbeMs = Infinity;
    this.#giveUpProbes();
  }

  joined(entry: MemberEntry): void {
    this.#ring.add(entry.id);
    this.#deadRing.add(entry.id);
  }

  forgotten(entry: MemberEntry): void {
    this.#ring.remove(entry.id);
    this.#deadRing.remove(entry.id);
    for (const probe of this.#prober.of(entry.id)) this.#finish(probe, null);
  }

  // --- Time ---

  get nextMs(): number {
    let next = Math.min(this.#probeMs, this.#deadProbeMs, this.#prober.nextMs);
    for (const { repeatMs, nackMs } of this.#relays.values()) {
      next = Math.min(next, repeatMs, nackMs);
    }
    return next;
  }

  tick(nowMs: number): void {
    for (const { probe, step } of this.#prober.due(nowMs)) {
      if (step === 'failed') this.#failed(nowMs, probe);
      else if (step === 'ask') this.#askOthers(nowMs, probe);
      else this.#ping(nowMs, probe);
    }
    for (const [sequence, relay] of this.#relays) {
      if (nowMs >= relay.nackMs) this.#giveUp(nowMs, sequence, relay);
      else if (nowMs >= relay.repeatMs) this.#pingForOther(nowMs, sequence, relay);
    }
    for (const entry of this.#membership.takeDoubted()) this.#askDoubted(nowMs, entry);
    if (nowMs >= this.#probeMs) this.#probeNext(nowMs);
    if (nowMs >= this.#deadProbeMs) this.#probeDead(nowMs);
  }

  /** We were not running: what was not answered means nothing. */
  resume(nowMs: number): void {
    this.#giveUpProbes();
    this.#relays.clear();
    this.#probeMs = nowMs + this.#context.config.timings.probeIntervalMs;
  }

  #probeNext(nowMs: number): void {
    const { awareness, config, table } = this.#context;
    const { probeIntervalMs } = config.timings;
    const intervalMs = awareness.scale(probeIntervalMs);
    this.#probeMs = nowMs + intervalMs;
    const target = this.#ring.next((id) => {
      const entry = table.get(id);
      // A tunnel that carries authenticated traffic has answered already.
      return (
        entry?.isPresent === true &&
        nowMs - entry.lastTrafficMs > probeIntervalMs &&
        !this.#prober.isProbing(id)
      );
    });
    const entry = target === null ? undefined : table.get(target);
    if (entry === undefined) return;
    const timeoutMs = probeTimeoutMs(config.timings, entry.rttMs);
    const times = { timeoutMs, repeatMs: repeatMs(timeoutMs, entry.rttMs), lastsMs: intervalMs };
    this.#ping(nowMs, this.#prober.start(nowMs, entry.id, 'watch', times));
  }

  #probeDead(nowMs: number): void {
    const { config, table } = this.#context;
    this.#deadProbeMs = nowMs + config.timings.deadProbeIntervalMs;
    if (table.counts().dead === 0) return;
    const target = this.#deadRing.next((id) => table.get(id)?.state === 'dead');
    if (target !== null) this.probeQuietly(nowMs, target);
  }

  // --- Our probes ---

  /**
   * The last word of one that is about to be given up. Its refutation may have been lost on the way to us alone: at 20 %
   * loss one of 15,000 nodes that should hear a piece of news does not. It is told who we are, and so says who it is, which
   * is the refutation.
   */
  #askDoubted(nowMs: number, entry: MemberEntry): void {
    entry.knowsUs = false;
    entry.trials.reset();
    const { probeIntervalMs } = this.#context.config.timings;
    this.#startQuietly(nowMs, entry, LAST_WORD_INTERVALS * probeIntervalMs);
  }

  /** @param lastsMs twice the timeout if that is longer */
  #startQuietly(nowMs: number, entry: MemberEntry, lastsMs: number): Probe {
    const timeoutMs = probeTimeoutMs(this.#context.config.timings, entry.rttMs);
    const times = { timeoutMs, repeatMs: timeoutMs / 2, lastsMs };
    const probe = this.#prober.start(nowMs, entry.id, 'quiet', times);
    this.#ping(nowMs, probe);
    return probe;
  }

  /** One probe whose failure accuses nobody. */
  probeQuietly(nowMs: number, id: NodeId): Probe | null {
    const entry = this.#context.table.get(id);
    return entry === undefined ? null : this.#startQuietly(nowMs, entry, 0);
  }

  /** One probe whose result becomes an effect. */
  ping(nowMs: number, id: NodeId): void {
    this.#context.table.get(id)?.trials.reset();
    const probe = this.probeQuietly(nowMs, id);
    if (probe === null) this.#context.effects.push({ type: 'pong', id, rttMs: null });
    else this.#asked.add(probe);
  }

  #ping(nowMs: number, probe: Probe): void {
    const entry = this.#context.table.get(probe.target);
    if (entry === undefined) return;
    const candidates = entry.candidates();
    // First where it was last heard; again elsewhere if there is an elsewhere.
    const first = entry.path === null ? entry.endpointTurn : 0;
    const via = candidates[(first + probe.stage) % Math.max(1, candidates.length)];
    if (via === undefined) return;
    const sequence = this.#prober.sent(nowMs, probe);
    const { id } = entry;
    const ping = encodeMessage({ type: 'ping', sequence, target: id, proofFor: null });
    // At first as it is, since it may only be lost; later with who we are, since it may have lost its state.
    const isLate = nowMs >= probe.lateMs;
    const messages = entry.knowsUs && !isLate ? [ping] : [this.hello(true), ping];
    this.#post.send(nowMs, entry, messages, via);
  }

  /** Who we are; `answer`: tell me who you are. */
  hello(answer: boolean): Uint8Array {
    const { payload, signature } = this.#own.signed;
    return encodeMessage({ type: 'hello', payload, signature, answer });
  }

  #askOthers(nowMs: number, probe: Probe): void {
    const { table, config, random } = this.#context;
    probe.nonce = random.bytes(PROOF_NONCE_BYTES);
    const helpers = table.sample(
      config.timings.indirectProbes,
      (entry) => entry.state === 'alive' && entry.id !== probe.target && entry.knowsUs,
    );
    const waitMs = Math.floor(RELAY_SHARE * (probe.endMs - nowMs));
    for (const helper of helpers) {
      const sequence = this.#prober.sent(nowMs, probe);
      probe.helpers.set(sequence, helper.id);
      const { target, nonce } = probe;
      const message = { type: 'indirect-ping', sequence, target, nonce, waitMs } as const;
      this.#post.send(nowMs, helper, [encodeMessage(message)]);
    }
    probe.helpersAsked = helpers.length;
    this.#ping(nowMs, probe);
  }

  #failed(nowMs: number, probe: Probe): void {
    const entry = this.#context.table.get(probe.target);
    this.#report(probe, null);
    if (entry === undefined) return;
    entry.knowsUs = false;
    entry.endpointTurn++;
    if (probe.kind === 'quiet') return;
    this.#context.counters.add('probe-failed');
    this.#context.awareness.apply(failedProbeDelta(probe.helpersAsked, probe.nacks));
    this.#membership.accuse(nowMs, entry);
  }

  #succeeded(probe: Probe): void {
    if (probe.kind === 'watch') this.#context.awareness.apply(-1);
  }

  #giveUpProbes(): void {
    for (const probe of this.#prober.finishAll()) this.#report(probe, null);
  }

  #finish(probe: Probe, rttMs: number | null): void {
    this.#prober.finish(probe);
    this.#report(probe, rttMs);
  }

  #report(probe: Probe, rttMs: number | null): void {
    if (!this.#asked.delete(probe)) return;
    this.#context.effects.push({ type: 'pong', id: probe.target, rttMs });
  }

  /** Authenticated tunnel traffic: as good as an ack. */
  traffic(nowMs: number, entry: MemberEntry): void {
    entry.lastTrafficMs = nowMs;
    for (const probe of this.#prober.of(entry.id)) {
      if (probe.kind !== 'watch') continue;
      this.#succeeded(probe);
      this.#finish(probe, null);
    }
  }

  // --- Messages ---

  receivePing(nowMs: number, from: MemberEntry, path: Path, ping: MessageOf<'ping'>): void {
    if (ping.target !== this.#context.identity.id) {
      this.#context.counters.add('ping-wrong-target');
      return;
    }
    let proof: Uint8Array | null = null;
    if (ping.proofFor !== null) {
      if (!this.#proofRate.allow(nowMs)) {
        this.#context.counters.add('too-many-proofs');
        return;
      }
      proof = this.#context.identity.key.sign(proofPayload(ping.proofFor));
    }
    const { sequence } = ping;
    const observed: Endpoint = { ...path.remote, scopeId: 0 };
    const ack = encodeMessage({ type: 'ack', sequence, observed, proof });
    this.#post.answer(nowMs, from, [ack], path);
  }

  receiveAck(nowMs: number, from: MemberEntry, ack: MessageOf<'ack'>): void {
    const relay = this.#relays.get(ack.sequence);
    if (relay !== undefined && relay.target === from.id) {
      this.#relayAck(nowMs, ack, relay);
      return;
    }
    const probe = this.#prober.bySequence(ack.sequence);
    if (probe === undefined || probe.target !== from.id) {
      this.#context.counters.add('ack-unexpected');
      return;
    }
    const rttMs = nowMs - (probe.sentMs.get(ack.sequence) ?? nowMs);
    from.measured(rttMs);
    from.knowsUs = true;
    this.#own.observed(nowMs, from.id, ack.observed);
    this.#succeeded(probe);
    this.#finish(probe, rttMs);
  }

  receiveRelayedAck(message: MessageOf<'relayed-ack'>): void {
    const probe = this.#prober.bySequence(message.sequence);
    if (probe === undefined || probe.nonce === null) return;
    const { crypto, identity, counters } = this.#context;
    const payload = proofPayload({ requester: identity.id, nonce: probe.nonce });
    // The helper's word is not enough: the target itself says that it lives.
    if (!crypto.verify(publicKeyOf(probe.target), payload, message.proof)) {
      counters.add('relayed-ack-forged');
      return;
    }
    counters.add('probe-relayed');
    this.#succeeded(probe);
    this.#finish(probe, null);
  }

  receiveNack(from: MemberEntry, message: MessageOf<'nack'>): void {
    if (!this.#prober.nacked(message.sequence, from.id)) {
      this.#context.counters.add('nack-unexpected');
    }
  }

  /** Somebody could not reach `target`: we try. */
  receiveIndirectPing(nowMs: number, from: MemberEntry, message: MessageOf<'indirect-ping'>): void {
    const target = this.#context.table.get(message.target);
    if (target === undefined || this.#relays.size >= MAX_RELAYS) {
      this.#context.counters.add('relay-refused');
      return;
    }
    const sequence = this.#prober.nextSequence();
    const waitMs = Math.min(message.waitMs, MAX_RELAY_MS);
    const relay: Relay = {
      requester: from.id,
      target: target.id,
      sequence: message.sequence,
      nonce: message.nonce,
      repeatMs: Infinity,
      nackMs: nowMs + waitMs,
    };
    this.#relays.set(sequence, relay);
    this.#pingForOther(nowMs, sequence, relay);
    relay.repeatMs = nowMs + waitMs / 2;
  }

  #pingForOther(nowMs: number, sequence: number, relay: Relay): void {
    relay.repeatMs = Infinity;
    const target = this.#context.table.get(relay.target);
    if (target === undefined) return;
    const proofFor = { requester: relay.requester, nonce: relay.nonce };
    const ping = encodeMessage({ type: 'ping', sequence, target: target.id, proofFor });
    this.#post.send(nowMs, target, target.knowsUs ? [ping] : [this.hello(true), ping]);
  }

  #relayAck(nowMs: number, ack: MessageOf<'ack'>, relay: Relay): void {
    const requester = this.#context.table.get(relay.requester);
    this.#relays.delete(ack.sequence);
    if (requester === undefined || ack.proof === null) return;
    const { sequence } = relay;
    const message = encodeMessage({ type: 'relayed-ack', sequence, proof: ack.proof });
    this.#post.send(nowMs, requester, [message]);
  }

  #giveUp(nowMs: number, sequence: number, relay: Relay): void {
    this.#relays.delete(sequence);
    const requester = this.#context.table.get(relay.requester);
    if (requester === undefined) return;
    this.#post.send(nowMs, requester, [encodeMessage({ type: 'nack', sequence: relay.sequence })]);
  }
}
