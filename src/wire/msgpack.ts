// msgpack as the mesh speaks it: signed payloads, gossip messages, invites, saved state. msgpack-lite reads nothing that
// the scan below has not walked first: it knows no bound on depth, ignores what follows the value, and takes any key.
//
//   bytes -> scan (types, lengths, depth, count, UTF-8, end) -> msgpack-lite -> Msgpack -> Fields -> a codec's values

import msgpack from 'msgpack-lite';

export type Msgpack =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Msgpack[]
  | MsgpackMap;

/** A Map and no object: a key such as `__proto__` is a key. */
export type MsgpackMap = ReadonlyMap<string, Msgpack>;

export interface MsgpackLimits {
  /** Of the encoding. */
  readonly maxBytes: number;
  /** Arrays and maps around a value; an array of numbers has 1. */
  readonly maxDepth: number;
  /** Values in all, keys included. */
  readonly maxCount: number;
}

/** More than any datagram needs. */
const DEFAULT_LIMITS: MsgpackLimits = { maxBytes: 65_536, maxDepth: 8, maxCount: 4_096 };

const MAX_UINT32 = 0xffff_ffff;

/** Maps are Maps, `bin` is an ArrayBuffer, and what is encoded comes as Uint8Array: no objects, no Buffer. */
const codec = msgpack.createCodec({ usemap: true, binarraybuffer: true, uint8array: true });
/** msgpack-lite's, which is not in its types. */
interface Encoder {
  write(value: unknown): void;
  /** A copy of what was written since the last one. */
  read(): Uint8Array;
}

type EncoderClass = new (options: { codec: msgpack.Codec }) => Encoder;

/** One for all, since each has a buffer of two kilobytes or more. */
const encoder = new (msgpack as unknown as { Encoder: EncoderClass }).Encoder({ codec });

/**
 * Integers up to 2^53, well-formed strings. msgpack-lite writes integers beyond 32 bits as float64.
 * @throws RangeError for anything else: our own values, hence a bug
 */
export function encodeMsgpack(value: Msgpack): Uint8Array {
  encoder.write(toCodec(value));
  return encoder.read();
}

function toCodec(value: Msgpack): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer`);
    return value;
  }
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) throw new RangeError('A string has a lone surrogate');
    return value;
  }
  if (value instanceof Uint8Array) {
    const isWhole = value.byteLength === value.buffer.byteLength;
    // not slice(): that of a Buffer copies nothing
    return isWhole ? value.buffer : new Uint8Array(value).buffer;
  }
  if (value instanceof Map) {
    const map = new Map<unknown, unknown>();
    for (const [key, item] of value) map.set(toCodec(key), toCodec(item));
    return map;
  }
  return (value as readonly Msgpack[]).map(toCodec);
}

/**
 * One value that fills `bytes`: nil, bool, integers up to 2^53, UTF-8 strings, bin, arrays, and maps of distinct string
 * keys. The result shares no memory with `bytes`.
 * @returns undefined for everything else, however hostile; never throws
 */
export function decodeMsgpack(
  bytes: Uint8Array,
  limits: MsgpackLimits = DEFAULT_LIMITS,
): Msgpack | undefined {
  if (bytes.length > limits.maxBytes) return undefined;
  const scan = new Scan(bytes, limits);
  if (!scan.run()) return undefined;
  const counter = { entries: 0 };
  const value = fromCodec(msgpack.decode(bytes, { codec }), counter);
  // a key given twice has been folded into one entry
  return counter.entries === scan.entries ? value : undefined;
}

function fromCodec(value: unknown, counter: { entries: number }): Msgpack {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map((item) => fromCodec(item, counter));
  if (!(value instanceof Map)) return value as Msgpack;
  const map = new Map<string, Msgpack>();
  counter.entries += value.size;
  for (const [key, item] of value) map.set(key as string, fromCodec(item, counter));
  return map;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Walks one value without building anything. A failure sticks, as in Reader. */
class Scan {
  /** Entries of all maps. */
  entries = 0;
  readonly #bytes: Uint8Array;
  readonly #limits: MsgpackLimits;
  #offset = 0;
  #count = 0;

  constructor(bytes: Uint8Array, limits: MsgpackLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  run(): boolean {
    return this.#value(0) && this.#offset === this.#bytes.length;
  }

  #value(depth: number): boolean {
    if (++this.#count > this.#limits.maxCount) return false;
    const type = this.#unsigned(1);
    if (type < 0) return false;
    if (type <= 0x7f || type >= 0xe0) return true;
    if (type <= 0x8f) return this.#map(type & 0x0f, depth);
    if (type <= 0x9f) return this.#array(type & 0x0f, depth);
    if (type <= 0xbf) return this.#string(type & 0x1f);
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#skip(this.#unsigned(1 << (type - 0xc4)));
      case 0xcb:
        return this.#bigFloat();
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#skip(1 << (type & 0x03));
      case 0xcf:
        return this.#long((view) => view.getBigUint64(0));
      case 0xd3:
        return this.#long((view) => view.getBigInt64(0));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#unsigned(1 << (type - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (type - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (type - 0xde)), depth);
      default: // float32, extensions, and the byte that means nothing
        return false;
    }
  }

  /** A big-endian length of 1, 2 or 4 bytes; -1 past the end. */
  #unsigned(size: number): number {
    const at = this.#offset;
    if (!this.#skip(size)) return -1;
    let value = 0;
    for (let i = at; i < this.#offset; i++) value = value * 256 + (this.#bytes[i] ?? 0);
    return value;
  }

  /** The next 8 bytes; null past the end. */
  #next8(): DataView | null {
    const { buffer, byteOffset } = this.#bytes;
    const at = this.#offset;
    return this.#skip(8) ? new DataView(buffer, byteOffset + at, 8) : null;
  }

  #skip(length: number): boolean {
    if (length < 0 || length > this.#bytes.length - this.#offset) return false;
    this.#offset += length;
    return true;
  }

  #array(length: number, depth: number): boolean {
    if (length < 0 || depth >= this.#limits.maxDepth) return false;
    for (let i = 0; i < length; i++) if (!this.#value(depth + 1)) return false;
    return true;
  }

  #map(length: number, depth: number): boolean {
    if (length < 0 || depth >= this.#limits.maxDepth) return false;
    for (let i = 0; i < length; i++) {
      if (!this.#key() || !this.#value(depth + 1)) return false;
      this.entries++;
    }
    return true;
  }

  #key(): boolean {
    const type = this.#bytes[this.#offset] ?? 0;
    const isString = (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb);
    return isString && this.#value(0);
  }

  #string(length: number): boolean {
    const start = this.#offset;
    if (!this.#skip(length)) return false;
    const text = this.#bytes.subarray(start, start + length);
    if (text.every((byte) => byte < 0x80)) return true;
    try {
      utf8.decode(text);
      return true;
    } catch {
      return false;
    }
  }

  /** An integer of 64 bits that a number holds exactly. */
  #long(read: (view: DataView) => bigint): boolean {
    const view = this.#next8();
    return view !== null && Number.isSafeInteger(Number(read(view)));
  }

  /** A float is only how integers beyond 32 bits are written here. */
  #bigFloat(): boolean {
    const value = this.#next8()?.getFloat64(0) ?? 0;
    return Number.isSafeInteger(value) && (value > MAX_UINT32 || value < -0x8000_0000);
  }
}

/**
 * The fields of a map, read by name and type, so that a codec reads like a list of them. A failure sticks: a field that
 * is missing or out of bounds gives an empty value, and the codec asks `valid` once, at its end. Fields that nobody asks
 * for are ignored: they are of a later version.
 *
 *   const fields = Fields.of(decodeMsgpack(bytes));
 *   const message = { name: fields.text('n', 63), port: fields.uint('p', 65_535) };
 *   return fields.valid ? message : null;
 */
export class Fields {
  readonly #map: MsgpackMap;
  #failed = false;

  constructor(map: MsgpackMap) {
    this.#map = map;
  }

  /** What is no map gives fields that are not valid. */
  static of(value: Msgpack | undefined): Fields {
    if (value instanceof Map) return new Fields(value as MsgpackMap);
    const fields = new Fields(new Map());
    fields.fail();
    return fields;
  }

  get valid(): boolean {
    return !this.#failed;
  }

  /** For conditions across fields. */
  fail(): void {
    this.#failed = true;
  }

  has(key: string): boolean {
    return this.#map.has(key);
  }

  /** 0 .. `max`. */
  uint(key: string, max: number): number {
    const value = this.#map.get(key);
    return typeof value === 'number' && value >= 0 && value <= max ? value : this.#fail(0);
  }

  flag(key: string): boolean {
    const value = this.#map.get(key);
    return typeof value === 'boolean' ? value : this.#fail(false);
  }

  /** At most `maxBytes` of UTF-8. */
  text(key: string, maxBytes: number): string {
    const value = this.#map.get(key);
    return typeof value === 'string' && utf8Length(value) <= maxBytes ? value : this.#fail('');
  }

  /** Exactly `length` bytes. */
  bytes(key: string, length: number): Uint8Array {
    const value = this.#map.get(key);
    return value instanceof Uint8Array && value.length === length
      ? value
      : this.#fail(new Uint8Array(0));
  }

  bytesUpTo(key: string, maxLength: number): Uint8Array {
    const value = this.#map.get(key);
    return value instanceof Uint8Array && value.length <= maxLength
      ? value
      : this.#fail(new Uint8Array(0));
  }

  /** @param decode gives null for an item that is none */
  list<T>(key: string, maxItems: number, decode: (item: Msgpack) => T | null): T[] {
    const value = this.#map.get(key);
    if (!Array.isArray(value) || value.length > maxItems) return this.#fail([]);
    const items: T[] = [];
    for (const element of value as readonly Msgpack[]) {
      const item = decode(element);
      if (item === null) return this.#fail([]);
      items.push(item);
    }
    return items;
  }

  /** One nested value, by `decode`; `otherwise` stands in on failure only. */
  value<T>(key: string, otherwise: T, decode: (value: Msgpack) => T | null): T {
    const value = this.#map.get(key);
    return (value === undefined ? null : decode(value)) ?? this.#fail(otherwise);
  }

  #fail<T>(value: T): T {
    this.#failed = true;
    return value;
  }
}

const utf8Encoder = new TextEncoder();

function utf8Length(text: string): number {
  return utf8Encoder.encode(text).length;
}
