// Dissemination: every gossip interval what is new goes to some members at random (SWIM, section 4.1), beside what rides on
// probes and acks.

import type { MeshContext } from './context.js';
import type { Post } from './post.js';

/** News in one datagram, about: with more in the queue more than one goes to each. */
const NEWS_PER_DATAGRAM = 16;
const MAX_NEWS_DATAGRAMS = 4;

export class Dissemination {
  readonly #context: MeshContext;
  readonly #post: Post;
  #lastMs = -Infinity;

  constructor(context: MeshContext, post: Post) {
    this.#context = context;
    this.#post = post;
  }

  get nextMs(): number {
    const { broadcasts, table, config } = this.#context;
    if (broadcasts.size === 0 || table.presentCount === 0) return Infinity;
    return this.#lastMs + config.timings.gossipIntervalMs;
  }

  tick(nowMs: number): void {
    if (nowMs < this.nextMs) return;
    const { table, broadcasts, config } = this.#context;
    const { gossipFanout, gossipToTheDeadMs } = config.timings;
    this.#lastMs = nowMs;
    const told = table.sample(
      gossipFanout,
      (entry) =>
        entry.path !== null &&
        entry.isProven(nowMs, entry.path.remote) &&
        (entry.isPresent ||
          (entry.state === 'dead' && nowMs - entry.stateSinceMs < gossipToTheDeadMs)),
    );
    const datagrams = Math.min(MAX_NEWS_DATAGRAMS, Math.ceil(broadcasts.size / NEWS_PER_DATAGRAM));
    for (const entry of told) {
      for (let i = 0; i < datagrams; i++) this.#post.sendNews(nowMs, entry);
    }
  }
}
