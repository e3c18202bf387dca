// QR codes (ISO/IEC 18004) of text on a terminal: byte mode, error correction level L, the mask with the least penalty.
// A WireGuard configuration is about 300 bytes: version 11 or so.

/** Dark modules by row and column. */
export type QrMatrix = readonly (readonly boolean[])[];

const MAX_VERSION = 40;

/** Error correction codewords a block, by version - 1 (table 9, level L). */
const ECC_PER_BLOCK = [
  7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26,
  28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
] as const;
/** Blocks, by version - 1 (table 9, level L). */
const BLOCKS = [
  1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15,
  16, 17, 18, 19, 19, 20, 21, 22, 24, 25,
] as const;

/** Modules that hold data and error correction (annex: all but function patterns). */
function rawModules(version: number): number {
  let modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const alignments = Math.floor(version / 7) + 2;
    modules -= (25 * alignments - 10) * alignments - 55;
    if (version >= 7) modules -= 36;
  }
  return modules;
}

function dataCodewords(version: number): number {
  const ecc = (ECC_PER_BLOCK[version - 1] ?? 0) * (BLOCKS[version - 1] ?? 0);
  return Math.floor(rawModules(version) / 8) - ecc;
}

/** @returns null if the text is too long for a QR code (2,953 bytes) */
export function encodeQr(text: string): QrMatrix | null {
  const bytes = new TextEncoder().encode(text);
  for (let version = 1; version <= MAX_VERSION; version++) {
    const lengthBits = version < 10 ? 8 : 16;
    if (4 + lengthBits + 8 * bytes.length > 8 * dataCodewords(version)) continue;
    const data = packData(bytes, lengthBits, dataCodewords(version));
    return new Drawing(version).draw(interleave(data, version));
  }
  return null;
}

/** Mode, length, bytes, terminator and padding (7.4). */
function packData(bytes: Uint8Array, lengthBits: number, capacity: number): number[] {
  const bits: number[] = [];
  const put = (value: number, count: number) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(0b0100, 4);
  put(bytes.length, lengthBits);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, capacity * 8 - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  const words: number[] = [];
  for (let i = 0; i < bits.length; i += 8) {
    words.push(bits.slice(i, i + 8).reduce((word, bit) => (word << 1) | bit, 0));
  }
  for (let pad = 0xec; words.length < capacity; pad ^= 0xec ^ 0x11) words.push(pad);
  return words;
}

/** Blocks with their error correction, codeword by codeword in turn (7.6). */
function interleave(data: readonly number[], version: number): number[] {
  const count = BLOCKS[version - 1] ?? 1;
  const eccLength = ECC_PER_BLOCK[version - 1] ?? 0;
  const total = Math.floor(rawModules(version) / 8);
  const shortBlocks = count - (total % count);
  const shortLength = Math.floor(total / count) - eccLength;
  const generator = generatorPolynomial(eccLength);
  const blocks: { data: number[]; ecc: number[] }[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    const length = shortLength + (i < shortBlocks ? 0 : 1);
    const part = data.slice(at, at + length);
    blocks.push({ data: part, ecc: remainder(part, generator) });
    at += length;
  }
  const words: number[] = [];
  for (let i = 0; i <= shortLength; i++) {
    for (const block of blocks) if (i < block.data.length) words.push(block.data[i] ?? 0);
  }
  for (let i = 0; i < eccLength; i++) for (const block of blocks) words.push(block.ecc[i] ?? 0);
  return words;
}

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let i = 7; i >= 0; i--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> i) & 1) * a;
  }
  return product;
}

function generatorPolynomial(degree: number): number[] {
  const coefficients = new Array<number>(degree).fill(0);
  coefficients[degree - 1] = 1;
  let root = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) {
      coefficients[j] = multiply(coefficients[j] ?? 0, root) ^ (coefficients[j + 1] ?? 0);
    }
    root = multiply(root, 2);
  }
  return coefficients;
}

function remainder(data: readonly number[], divisor: readonly number[]): number[] {
  const result = divisor.map(() => 0);
  for (const word of data) {
    const factor = word ^ (result.shift() ?? 0);
    result.push(0);
    for (const [i, coefficient] of divisor.entries()) {
      result[i] = (result[i] ?? 0) ^ multiply(coefficient, factor);
    }
  }
  return result;
}

const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

class Drawing {
  readonly #version: number;
  readonly #size: number;
  readonly #dark: boolean[][];
  /** Finders, timing, alignment, format and version: not for data. */
  readonly #reserved: boolean[][];

  constructor(version: number) {
    this.#version = version;
    this.#size = 17 + 4 * version;
    const grid = () =>
      Array.from({ length: this.#size }, () => new Array<boolean>(this.#size).fill(false));
    this.#dark = grid();
    this.#reserved = grid();
  }

  draw(words: readonly number[]): QrMatrix {
    this.#drawPatterns();
    this.#drawVersion();
    this.#drawFormat(0);
    this.#drawWords(words);
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const mask of MASKS.keys()) {
      this.#applyMask(mask);
      this.#drawFormat(mask);
      const found = penalty(this.#dark);
      if (found < least) [best, least] = [mask, found];
      this.#applyMask(mask);
    }
    this.#applyMask(best);
    this.#drawFormat(best);
    return this.#dark;
  }

  #set(row: number, column: number, dark: boolean): void {
    const [darks, reserved] = [this.#dark[row], this.#reserved[row]];
    if (darks === undefined || reserved === undefined || column < 0 || column >= this.#size) return;
    darks[column] = dark;
    reserved[column] = true;
  }

  #drawPatterns(): void {
    const last = this.#size - 1;
    for (let i = 0; i < this.#size; i++) {
      this.#set(6, i, i % 2 === 0);
      this.#set(i, 6, i % 2 === 0);
    }
    for (const [row, column] of [
      [3, 3],
      [3, last - 3],
      [last - 3, 3],
    ] as const) {
      this.#drawSquare(row, column, 4, (ring) => ring !== 2 && ring !== 4);
    }
    const positions = this.#alignmentPositions();
    const end = positions.length - 1;
    for (const [i, row] of positions.entries()) {
      for (const [j, column] of positions.entries()) {
        const onFinder = (i === 0 && j === 0) || (i === 0 && j === end) || (i === end && j === 0);
        if (!onFinder) this.#drawSquare(row, column, 2, (ring) => ring !== 1);
      }
    }
  }

  /** Rings around a centre. */
  #drawSquare(
    row: number,
    column: number,
    radius: number,
    isDark: (ring: number) => boolean,
  ): void {
    for (let dr = -radius; dr <= radius; dr++) {
      for (let dc = -radius; dc <= radius; dc++) {
        this.#set(row + dr, column + dc, isDark(Math.max(Math.abs(dr), Math.abs(dc))));
      }
    }
  }

  #alignmentPositions(): number[] {
    if (this.#version === 1) return [];
    const count = Math.floor(this.#version / 7) + 2;
    const step = Math.floor((this.#version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2;
    const positions = [6];
    for (let i = 0, at = this.#size - 7; i < count - 1; i++, at -= step) positions.splice(1, 0, at);
    return positions;
  }

  /** Level L and the mask, with BCH(15, 5), twice (7.9). */
  #drawFormat(mask: number): void {
    const data = (0b01 << 3) | mask;
    const bits = ((data << 10) | bchRemainder(data, 10, 0x537)) ^ 0x5412;
    const bit = (i: number) => ((bits >> i) & 1) === 1;
    for (let i = 0; i <= 5; i++) this.#set(i, 8, bit(i));
    this.#set(7, 8, bit(6));
    this.#set(8, 8, bit(7));
    this.#set(8, 7, bit(8));
    for (let i = 9; i < 15; i++) this.#set(8, 14 - i, bit(i));
    for (let i = 0; i < 8; i++) this.#set(8, this.#size - 1 - i, bit(i));
    for (let i = 8; i < 15; i++) this.#set(this.#size - 15 + i, 8, bit(i));
    this.#set(this.#size - 8, 8, true);
  }

  /** With BCH(18, 6), twice, from version 7 on (7.10). */
  #drawVersion(): void {
    if (this.#version < 7) return;
    const bits = (this.#version << 12) | bchRemainder(this.#version, 12, 0x1f25);
    for (let i = 0; i < 18; i++) {
      const dark = ((bits >> i) & 1) === 1;
      const near = this.#size - 11 + (i % 3);
      const far = Math.floor(i / 3);
      this.#set(far, near, dark);
      this.#set(near, far, dark);
    }
  }

  /** Upwards and downwards in columns of two from the right (7.7.3). */
  #drawWords(words: readonly number[]): void {
    let index = 0;
    for (let right = this.#size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const upwards = ((right + 1) & 2) === 0;
      for (let step = 0; step < this.#size; step++) {
        const row = upwards ? this.#size - 1 - step : step;
        for (const column of [right, right - 1]) {
          const darks = this.#dark[row];
          if (darks === undefined || this.#reserved[row]?.[column] || index >= words.length * 8) {
            continue;
          }
          darks[column] = (((words[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1;
          index++;
        }
      }
    }
  }

  /** Its own inverse. */
  #applyMask(mask: number): void {
    const inverts = MASKS[mask];
    for (const [r, row] of this.#dark.entries()) {
      for (const [c, dark] of row.entries()) {
        if (!this.#reserved[r]?.[c] && inverts?.(r, c)) row[c] = !dark;
      }
    }
  }
}

function bchRemainder(data: number, degree: number, generator: number): number {
  let rest = data;
  for (let i = 0; i < degree; i++) rest = (rest << 1) ^ ((rest >> (degree - 1)) * generator);
  return rest & ((1 << degree) - 1);
}

/** 7.8.3.1 */
function penalty(dark: QrMatrix): number {
  const size = dark.length;
  const columns = dark.map((_, c) => dark.map((row) => row[c] ?? false));
  let total = 0;
  for (const line of [...dark, ...columns]) total += linePenalty(line);
  for (let r = 0; r + 1 < size; r++) {
    for (let c = 0; c + 1 < size; c++) {
      const corner = dark[r]?.[c];
      const same =
        corner === dark[r]?.[c + 1] &&
        corner === dark[r + 1]?.[c] &&
        corner === dark[r + 1]?.[c + 1];
      if (same) total += 3;
    }
  }
  const darks = dark.flat().filter(Boolean).length;
  return total + 10 * Math.floor(Math.abs((darks * 20) / (size * size) - 10));
}

/** Runs of five or more, and what looks like a finder. */
function linePenalty(line: readonly boolean[]): number {
  const text = line.map((dark) => (dark ? '1' : '0')).join('');
  let total = 0;
  for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) total += run.length - 2;
  for (let i = 0; i + 11 <= text.length; i++) {
    const part = text.slice(i, i + 11);
    if (part === '10111010000' || part === '00001011101') total += 40;
  }
  return total;
}

/** Two rows of modules a line, light on dark as terminals are, with the quiet zone. */
export function renderQr(dark: QrMatrix): string {
  const quiet = 4;
  const isLight = (row: number, column: number) => !(dark[row]?.[column] ?? false);
  let text = '';
  for (let row = -quiet; row < dark.length + quiet; row += 2) {
    let line = '';
    for (let column = -quiet; column < dark.length + quiet; column++) {
      const top = isLight(row, column);
      const bottom = isLight(row + 1, column);
      line += top ? (bottom ? '█' : '▀') : bottom ? '▄' : ' ';
    }
    text += `${line}\n`;
  }
  return text;
}
