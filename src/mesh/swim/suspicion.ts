// How long a suspected member has to refute (Lifeguard, section III.B): long while a single accuser stands alone, shorter with each
// independent one that confirms it. Before it is given up the node that is about to do so asks it itself.

/**
 * So many probe intervals before the end of its time a suspected member is asked for its last word: at any loss that a mesh
 * can live with it hears one of the questions. The shortest suspicion is twice as long.
 */
export const LAST_WORD_INTERVALS = 2;

/** Accusers beyond the first whose word still shortens the time. 0 in a mesh too small to find them. */
export function expectedConfirmations(suspicionMultiplier: number, memberCount: number): number {
  const k = suspicionMultiplier - 2;
  // The accused and the first accuser cannot confirm.
  return Math.max(0, memberCount - 2 < k ? 0 : k);
}

/** @param memberCount this node and the suspected included */
export function minimumTimeoutMs(
  suspicionMultiplier: number,
  memberCount: number,
  probeIntervalMs: number,
): number {
  return suspicionMultiplier * Math.max(1, Math.log10(Math.max(1, memberCount))) * probeIntervalMs;
}

export interface SuspicionBounds {
  readonly minMs: number;
  readonly maxMs: number;
  /** expectedConfirmations(). */
  readonly k: number;
  /** So long before its time is over this node asks the suspected itself. */
  readonly lastWordMs: number;
}

export class Suspicion {
  readonly #bounds: SuspicionBounds;
  #startMs: number;
  #confirmations = 0;
  #askedMs: number | null = null;

  constructor(nowMs: number, bounds: SuspicionBounds) {
    this.#startMs = nowMs;
    this.#bounds = bounds;
  }

  get startMs(): number {
    return this.#startMs;
  }

  get confirmations(): number {
    return this.#confirmations;
  }

  /** True while one more accuser would shorten the time: only then is it worth passing on. */
  get wantsConfirmation(): boolean {
    return this.#confirmations < this.#bounds.k;
  }

  /** One more accuser. The caller sees to it that each counts once. */
  confirm(): void {
    this.#confirmations++;
  }

  /** The suspected has been asked by this node: it has `lastWordMs` for its answer. */
  asked(nowMs: number): void {
    this.#askedMs = nowMs;
  }

  get isAsked(): boolean {
    return this.#askedMs !== null;
  }

  /** When the suspected is to be asked or, once it was, given up. */
  get dueMs(): number {
    return this.isAsked ? this.deadlineMs : this.#timeoutMs - this.#bounds.lastWordMs;
  }

  /** When it is given up: at the end of the timeout, or of its time to answer if that is later. */
  get deadlineMs(): number {
    if (this.#askedMs === null) return this.#timeoutMs;
    return Math.max(this.#timeoutMs, this.#askedMs + this.#bounds.lastWordMs);
  }

  /** max - (max - min) x ln(c + 1) / ln(k + 1), at least min. */
  get #timeoutMs(): number {
    const { minMs, maxMs, k } = this.#bounds;
    if (k === 0) return this.#startMs + minMs;
    const fraction = Math.log(this.#confirmations + 1) / Math.log(k + 1);
    return this.#startMs + Math.max(minMs, maxMs - (maxMs - minMs) * fraction);
  }

  /** This node was not running for so long: nobody could refute to it. */
  postpone(byMs: number): void {
    this.#startMs += byMs;
    if (this.#askedMs !== null) this.#askedMs += byMs;
  }

  /** It was heard of since: the time begins anew. */
  restart(nowMs: number): void {
    this.#startMs = nowMs;
    this.#askedMs = null;
  }
}
