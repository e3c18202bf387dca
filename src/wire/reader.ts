// Bounds-checked reading of bytes from the network, little-endian. The first thing every received message meets.

/**
 * A failure sticks: after reading past the end every read gives zeros and `finished` stays false, so that a codec
 * checks once, at its end.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** True if every read was within bounds and nothing is left over. */
  get finished(): boolean {
    return !this.#failed && this.#offset === this.#bytes.length;
  }

  u32(): number {
    const at = this.#advance(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
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
