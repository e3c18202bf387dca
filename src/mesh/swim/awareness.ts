// Local health (Lifeguard, section III.A): how much this node doubts itself. While it is slow to answer, or its probes and their
// nacks get lost, the fault is more likely here than at everybody else, and it gives the others more time.

export class Awareness {
  readonly #max: number;
  #score = 0;

  /** @param maxMultiplier intervals are stretched at most by this */
  constructor(maxMultiplier: number) {
    this.#max = maxMultiplier - 1;
  }

  /** 0 (healthy) .. maxMultiplier - 1. */
  get score(): number {
    return this.#score;
  }

  apply(delta: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + delta));
  }

  scale(durationMs: number): number {
    return durationMs * (this.#score + 1);
  }
}

/**
 * What a failed probe says of ourselves (memberlist, state.go): helpers that sent not even a nack were not reached or
 * not heard, so each of them counts; if nobody could be asked, the failure itself does.
 */
export function failedProbeDelta(helpersAsked: number, nacksReceived: number): number {
  return helpersAsked > 0 ? Math.max(0, helpersAsked - nacksReceived) : 1;
}
