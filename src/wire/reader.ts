// Bounds-checked reading of bytes from the network, little-endian. The first thing every received message meets.

/**
 * A failure sticks: after reading past the end every read gives zeros and `finished` stays false, so that a codec
 * checks once, at its end.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** True if every read was within bounds and nothing is left over. */
  get finished(): boolean {
    return !this.#failed && this.#offset === this.#bytes.length;
  }

  u32(): number {
    const at = this.#advance(4);
    if (at < 0) return 0;
    const b = this.#bytes;
    const low = (b[at] ?? 0) | ((b[at + 1] ?? 0) << 8) | ((b[at + 2] ?? 0) << 16);
    return (low | ((b[at + 3] ?? 0) << 24)) >>> 0;
  }

  /** A view of the next `length` bytes, not a copy; empty on failure. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return at < 0 ? new Uint8Array(0) : this.#bytes.subarray(at, at + length);
  }

  /** Offset of the next `length` bytes, or -1. */
  #advance(length: number): number {
    const at = this.#offset;
    if (this.#failed || length < 0 || length > this.#bytes.length - at) {
      this.#failed = true;
      return -1;
    }
    this.#offset = at + length;
    return at;
  }
}
