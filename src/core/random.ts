/** Cryptographic randomness, injected so that tests and the simulator can replay a run. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** A uniformly random unsigned 32-bit integer. */
export function randomUint32(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}
