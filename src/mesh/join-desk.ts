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

export class JoinDesk {
  readonly #context: MeshContext;
  readonly #post: Post;
  readonly #own: OwnRecord;
  invites: InviteBook | null = null;

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
    this.#save(this.invites);
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
      counters.add(`join-${redemption.reason}`);
      effects.event('warn', 'an invite was refused', { joiner: from, reason: redemption.reason });
      const { reason } = redemption;
      this.#post.sendTo(nowMs, from, path, [
        encodeMessage({ type: 'join-refused', inviteId, reason }),
      ]);
      return;
    }
    // A joiner that asks again costs no write, and its name, which was not looked at, is in no log.
    if (redemption.isNew) {
      this.#save(this.invites);
      counters.add('joined');
      effects.event('info', 'an invite was redeemed', { joiner: from, name });
    } else {
      counters.add('join-repeated');
    }
    this.#post.sendTo(nowMs, from, path, [this.#acceptance(inviteId, redemption.certificate)]);
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

  #save(invites: InviteBook): void {
    this.#context.effects.push({ type: 'save-invites', state: invites.state() });
  }
}
