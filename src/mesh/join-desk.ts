// The issuer's side of joining: a stranger proves that it has an invite's secret, and gets its certificate and what it needs to
// begin with. See joiner.ts for the other side.

import { formatPrefix } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import type { Endpoint, Path } from '../core/types.js';
import type { MeshContext } from './context.js';
import type { InviteBook, InviteOptions } from './invite.js';
import { encodeMessage, type Join, MAX_AUTHORITIES } from './messages.js';
import type { OwnRecord } from './own-record.js';
import type { Post } from './post.js';
import type { NodeId } from './types.js';

export type InviteRequest = Omit<InviteOptions, 'endpoints'> & {
  /** Default: those of the own record. */
  readonly endpoints?: readonly Endpoint[];
};

/** Joiners whose answer waits for the disk. */
const MAX_WAITING = 64;
/** Refused joins are logged together, at most so often: anybody who knows the mesh key can ask. */
const REFUSED_LOG_INTERVAL_MS = 10_000;

/** What is said once the use of an invite is on the disk. */
interface Answer {
  readonly to: NodeId;
  readonly path: Path;
  readonly inviteId: Uint8Array;
  readonly certificate: Uint8Array;
}

export class JoinDesk {
  readonly #context: MeshContext;
  readonly #post: Post;
  readonly #own: OwnRecord;
  invites: InviteBook | null = null;
  readonly #waiting: Answer[] = [];
  /** `save-invites` that were not reported on; the last says it all. */
  #saving = 0;
  /** The invites as they are now could not be saved. */
  #unsaved = false;
  /** Refused joins since the last log line of them, and when that was. */
  #refused = 0;
  #refusedLogMs = -Infinity;

  constructor(context: MeshContext, post: Post, own: OwnRecord) {
    this.#context = context;
    this.#post = post;
    this.#own = own;
  }

  issue(request: InviteRequest): string {
    if (this.invites === null) {
      throw new WeftError(
        'EINVITE',
        'This node cannot issue invites: it has no authority key (`weft authority init`) and is no delegated issuer',
      );
    }
    const endpoints = request.endpoints ?? this.#own.record.endpoints;
    const { seconds } = this.#context.wallTime();
    const token = this.invites.issue(seconds, { ...request, endpoints });
    this.#save(this.invites, null);
    return token;
  }

  receive(nowMs: number, from: NodeId, path: Path, join: Join): void {
    const { counters, effects } = this.#context;
    if (this.invites === null) {
      counters.add('join-without-invites');
      return;
    }
    const { inviteId, proof, name } = join;
    const { seconds } = this.#context.wallTime();
    const redemption = this.invites.redeem(inviteId, proof, from, name, seconds);
    if (!redemption.ok) {
      const { reason } = redemption;
      counters.add(`join-${reason}`);
      this.#logRefused(nowMs, from, reason);
      this.#post.sendTo(nowMs, from, path, [
        encodeMessage({ type: 'join-refused', inviteId, reason }),
      ]);
      return;
    }
    const { certificate, isNew } = redemption;
    const answer = { to: from, path, inviteId, certificate };
    // A joiner that asks again costs no write, and its name, which was not looked at, is in no log.
    counters.add(isNew ? 'joined' : 'join-repeated');
    if (isNew) effects.event('info', 'an invite was redeemed', { joiner: from, name });
    if (isNew || (this.#unsaved && this.#saving === 0)) this.#save(this.invites, certificate);
    if (this.#saving === 0) this.#answer(nowMs, answer);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(answer);
    else counters.add('join-waiting-full');
  }

  /** Those that the line leaves out are in the next one, and in the counters. */
  #logRefused(nowMs: number, joiner: NodeId, reason: string): void {
    this.#refused++;
    if (nowMs - this.#refusedLogMs < REFUSED_LOG_INTERVAL_MS) return;
    const fields = { joiner, reason, refused: this.#refused };
    this.#context.effects.event('warn', 'an invite was refused', fields);
    this.#refused = 0;
    this.#refusedLogMs = nowMs;
  }

  /** The answer to the effect `save-invites`. What could not be saved is not answered: the joiner asks again. */
  saved(nowMs: number, isOnDisk: boolean): void {
    this.#saving--;
    if (this.#saving > 0) return;
    this.#unsaved = !isOnDisk;
    const answers = this.#waiting.splice(0);
    if (isOnDisk) for (const answer of answers) this.#answer(nowMs, answer);
    else this.#context.counters.add('join-not-saved', answers.length);
  }

  #answer(nowMs: number, { to, path, inviteId, certificate }: Answer): void {
    this.#post.sendTo(nowMs, to, path, [this.#acceptance(inviteId, certificate)]);
  }

  #acceptance(inviteId: Uint8Array, certificate: Uint8Array): Uint8Array {
    const { trust, config } = this.#context;
    const { payload, signature } = this.#own.signed;
    const authorities = Array.from(trust.authorities(), ({ id }) => id);
    return encodeMessage({
      type: 'join-accepted',
      inviteId,
      certificate,
      authorities: authorities.slice(0, MAX_AUTHORITIES),
      v4Prefix: config.v4Prefix === null ? '' : formatPrefix(config.v4Prefix),
      payload,
      signature,
    });
  }

  #save(invites: InviteBook, certificate: Uint8Array | null): void {
    this.#saving++;
    this.#context.effects.push({ type: 'save-invites', state: invites.state(), certificate });
  }
}
