// Writing messages of a known size, little-endian. The counterpart of reader.ts.

/** Fills a zeroed buffer of exactly `length` bytes. Writing past the end is a bug and throws RangeError. */
export class Writer {
  readonly bytes: Uint8Array;
  #offset = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  u32(value: number): this {
    const { bytes } = this;
    const at = this.#offset;
    if (at + 4 > bytes.length) throw new RangeError('Written past the end');
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.#offset += 4;
    return this;
  }

  put(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#offset);
    this.#offset += bytes.length;
    return this;
  }
}
