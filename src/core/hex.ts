// Bytes as lower-case hex: the form in which identities are kept, compared and shown.

/** Character codes of the digits. */
const CODES = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** Bytes that become text at once, which is twice as fast as each alone: an identity's, or a hash's. */
const BLOCK = 32;
/** Values of the digits by their character codes; -1: no digit. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) => {
  return '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase());
});

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const codes: number[] = [];
    const end = Math.min(at + BLOCK, bytes.length);
    for (let i = at; i < end; i++) {
      const byte = bytes[i] as number;
      codes.push(CODES[byte >> 4] as number, CODES[byte & 15] as number);
    }
    text += String.fromCharCode(...codes);
  }
  return text;
}

/** Null if `text` is no whole number of bytes in hex digits. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const byte = (digitAt(text, 2 * i) << 4) | digitAt(text, 2 * i + 1);
    if (byte < 0) return null;
    bytes[i] = byte;
  }
  return bytes;
}

/** -1 if it is none. */
function digitAt(text: string, at: number): number {
  return DIGITS[text.charCodeAt(at)] ?? -1;
}
