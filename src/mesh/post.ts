// Messages into packets and back: what is to be said to a member goes out together with news, an accused member first hears
// of its accusation, and what is too large for a datagram goes in pieces.

import type { Datagram, Endpoint, Path } from '../core/types.js';
import type { Channel } from './channel/channel.js';
import { type MeshContext, memberCount } from './context.js';
import { FragmentAssembler, fragmentsOf, MAX_WHOLE_BYTES } from './fragments.js';
import { decodePacket, encodeMessage, joinMessages, type Message } from './messages.js';
import { retransmitLimit } from './swim/broadcast-queue.js';
import type { MemberEntry } from './swim/members.js';
import type { NodeId } from './types.js';

/** In one packet: a receiver decodes 512 values of it, and the pages of push/pull, of 4 values each, may be short. */
const MAX_MESSAGES = 64;

export interface Received {
  readonly from: NodeId;
  readonly path: Path;
  /** As ReceivedMessage has it. */
  readonly proven: boolean;
  readonly messages: readonly Message[];
}

export class Post {
  readonly #context: MeshContext;
  readonly #channel: Channel;
  readonly #assembler: FragmentAssembler;
  #fragmentId = 0;

  constructor(context: MeshContext, channel: Channel) {
    this.#context = context;
    this.#channel = channel;
    this.#assembler = new FragmentAssembler((id) => context.table.get(id) !== undefined);
  }

  /**
   * To a member, along the way it was last heard from, or `via`. What is left of the last datagram is filled with news.
   * An accused member is told of what it stands accused, so that it can refute (Lifeguard's buddy system). Where it is not
   * proven to be nothing goes but hellos of the channel, rarely (swim/trials.ts); what is to be said waits for their success.
   */
  send(
    nowMs: number,
    entry: MemberEntry,
    messages: readonly Uint8Array[],
    via: Endpoint | Path | undefined = entry.candidates()[0],
  ): void {
    if (via === undefined) {
      this.#context.counters.add('no-endpoint');
      return;
    }
    const all = [...messages];
    for (const accusation of entry.accusations.values()) {
      all.push(encodeMessage({ type: 'accusation', ...accusation }));
      break;
    }
    const remote = remoteOf(via);
    const isProven = entry.isProven(nowMs, remote);
    const { trials } = entry;
    if (
      !isProven &&
      !this.#channel.isTrying(entry.id, remote) &&
      !trials.begin(nowMs, remote.address)
    ) {
      this.#context.counters.add('unproven-address');
      return;
    }
    this.#sendPackets(nowMs, entry.id, via, all, isProven ? 'with-news' : 'on-trial');
  }

  /** As send(). Along a way that is not proven it is no longer than it must be: whoever lives there may not have asked. */
  answer(nowMs: number, entry: MemberEntry, messages: readonly Uint8Array[], path: Path): void {
    if (entry.isProven(nowMs, path.remote)) this.send(nowMs, entry, messages, path);
    else this.sendTo(nowMs, entry.id, path, messages);
  }

  /** To somebody who may be no member. */
  sendTo(nowMs: number, id: NodeId, via: Endpoint | Path, messages: readonly Uint8Array[]): void {
    this.#sendPackets(nowMs, id, via, messages, 'plain');
  }

  /** One datagram of news, if there is any; or one piece of news that takes more than one. Only where it is proven to be. */
  sendNews(nowMs: number, entry: MemberEntry): void {
    const via = entry.path;
    if (via === null || !entry.isProven(nowMs, via.remote)) return;
    const news = this.#news(MAX_WHOLE_BYTES);
    if (news.length > 0) this.#channel.send(nowMs, entry.id, via, joinMessages(news));
    else this.#sendPackets(nowMs, entry.id, via, this.#largeNews(), 'plain');
  }

  /** Null: nothing authentic, or nothing that decodes. */
  receive(nowMs: number, datagram: Datagram): Received | null {
    const received = this.#channel.receive(nowMs, datagram);
    if (received === null) return null;
    const { from, path, proven } = received;
    const packet = decodePacket(received.plaintext);
    if (packet === null) {
      this.#context.counters.add('packet-malformed');
      return null;
    }
    const messages: Message[] = [];
    for (const message of packet) {
      const whole =
        message.type === 'fragment' ? this.#assembler.accept(nowMs, from, message) : message;
      if (whole === 'refused') this.#context.counters.add('fragment-refused');
      else if (whole !== null) messages.push(whole);
    }
    return { from, path, proven, messages };
  }

  #sendPackets(
    nowMs: number,
    id: NodeId,
    via: Endpoint | Path,
    messages: readonly Uint8Array[],
    how: 'plain' | 'with-news' | 'on-trial',
  ): void {
    let packet: Uint8Array[] = [];
    let room = MAX_WHOLE_BYTES;
    const send = (plaintext: Uint8Array) => {
      if (how === 'on-trial') this.#channel.trySend(nowMs, id, via, plaintext);
      else this.#channel.send(nowMs, id, via, plaintext);
    };
    const flush = () => {
      if (packet.length > 0) send(joinMessages(packet));
      packet = [];
      room = MAX_WHOLE_BYTES;
    };
    for (const message of messages) {
      if (message.length > MAX_WHOLE_BYTES) {
        for (const fragment of this.#fragments(message)) {
          send(joinMessages([fragment]));
        }
        continue;
      }
      if (message.length > room || packet.length >= MAX_MESSAGES) flush();
      packet.push(message);
      room -= message.length;
    }
    if (how === 'with-news') packet.push(...this.#news(room));
    flush();
  }

  #news(room: number): Uint8Array[] {
    const { broadcasts } = this.#context;
    return broadcasts.size === 0 ? [] : broadcasts.take(room, this.#retransmitLimit);
  }

  #largeNews(): Uint8Array[] {
    return this.#context.broadcasts.take(Infinity, this.#retransmitLimit, 1);
  }

  get #retransmitLimit(): number {
    const { retransmitMultiplier } = this.#context.config.timings;
    return retransmitLimit(retransmitMultiplier, memberCount(this.#context));
  }

  #fragments(message: Uint8Array): Uint8Array[] {
    this.#fragmentId = (this.#fragmentId + 1) >>> 0;
    const fragments = fragmentsOf(message, this.#fragmentId);
    if (fragments === null) this.#context.counters.add('message-too-large');
    return fragments ?? [];
  }
}

function remoteOf(via: Endpoint | Path): Endpoint {
  return 'remote' in via ? via.remote : via;
}
