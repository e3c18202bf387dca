// Which counters of a session were seen (RFC 6479): a ring of words in which a datagram may be late, but never twice.

const WORD_BITS = 32;
const WORDS = 32;

/** How far behind the newest counter a datagram may come. */
export const REPLAY_WINDOW = (WORDS - 1) * WORD_BITS;

export class ReplayWindow {
  readonly #seen = new Uint32Array(WORDS);
  /** One above the newest. */
  #next = 0;

  /** True if `counter` (u32) was not accepted before and is not too old. */
  isFresh(counter: number): boolean {
    if (counter >= this.#next) return true;
    if (this.#next - counter > REPLAY_WINDOW) return false;
    return ((this.#seen[wordOf(counter)] ?? 0) & bitOf(counter)) === 0;
  }

  /** To be called for a fresh counter whose datagram is authentic, and for no other. */
  accept(counter: number): void {
    const word = wordOf(counter);
    if (counter >= this.#next) {
      this.#clear(counter);
      this.#next = counter + 1;
    }
    this.#seen[word] = (this.#seen[word] ?? 0) | bitOf(counter);
  }

  /** Empties the words between the newest counter and `counter`, and that of `counter` unless it is the newest's. */
  #clear(counter: number): void {
    const newest = Math.floor((this.#next - 1) / WORD_BITS);
    const words = Math.min(Math.floor(counter / WORD_BITS) - newest, WORDS);
    for (let i = 1; i <= words; i++) this.#seen[(newest + i + WORDS) % WORDS] = 0;
  }
}

function wordOf(counter: number): number {
  return (counter >>> 5) % WORDS;
}

function bitOf(counter: number): number {
  return 1 << (counter & 31);
}
