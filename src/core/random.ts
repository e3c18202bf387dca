/** Cryptographic randomness, injected so that tests and the simulator can replay a run. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** A uniformly random unsigned 32-bit integer. */
export function randomUint32(random: Random): number {
  const b = random.bytes(4);
  return new DataView(b.buffer, b.byteOffset, 4).getUint32(0, true);
}
