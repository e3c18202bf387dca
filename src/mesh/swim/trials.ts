// When a member is tried at addresses that are its word alone: its record may name those of somebody who has nothing to do
// with the mesh, and every node of the mesh has heard of it.

import { toHex } from '../../core/hex.js';
import type { IpAddress } from '../../core/types.js';

const FIRST_PAUSE_MS = 1_000;
const PAUSE_FACTOR = 4;
const MAX_PAUSE_MS = 5 * 60_000;

/** Each IP address once, whatever the port, then a pause: 1 s, 4, 16, 64, 256, then 300 s each. */
export class Trials {
  readonly #tried = new Set<string>();
  #untilMs = -Infinity;
  #pauseMs = 0;

  /** Whether the address may be tried now; if so it was. */
  begin(nowMs: number, address: IpAddress): boolean {
    if (nowMs >= this.#untilMs) {
      this.#tried.clear();
      const pauseMs = this.#pauseMs * PAUSE_FACTOR || FIRST_PAUSE_MS;
      this.#pauseMs = Math.min(pauseMs, MAX_PAUSE_MS);
      this.#untilMs = nowMs + this.#pauseMs;
    }
    const key = toHex(address);
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    return true;
  }

  /** Something new is known of the member or of our own network, or the member is about to be given up. */
  reset(): void {
    this.#tried.clear();
    this.#untilMs = -Infinity;
    this.#pauseMs = 0;
  }
}
