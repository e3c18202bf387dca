/** The search for the highest rate without loss. Pure: the probes come in as a function. */

/** A rate counts as lossless up to here: the scheduling noise of a shared machine loses a few. */
export const LOSSLESS_RATIO = 0.001;
/** The answer is known to this factor. */
export const LOSSLESS_PRECISION = 1.06;
const GROWTH = 1.5;
const MAX_RATES = 14;
/** The sender is at its limit where it offers less than this share of what it was asked for. */
const SENDER_LIMIT = 0.9;

/**
 * @typedef {{lossRatio: number, deliveredPps: number, offeredPps: number}} Probe
 *
 * From `startPps` up or down by GROWTH until one rate is lossless and the next is not, then by
 * bisection. A rate at which packets are lost is tried a second time before it counts as lossy: one
 * hiccup of the machine must not decide.
 *
 * @param {number} startPps
 * @param {(pps: number) => Promise<Probe>} probe offers so many packets a second
 * @returns {Promise<number | null>} packets a second delivered at that rate; null: none is lossless
 */
export async function searchLosslessRate(startPps, probe) {
  let best = null;
  let low = 0;
  let high = Infinity;
  let pps = startPps;
  for (let rates = 0; rates < MAX_RATES && high > low * LOSSLESS_PRECISION; rates++) {
    const clean = (await probeUnlessLossy(pps, probe)) ?? (await probeUnlessLossy(pps, probe));
    if (clean === null) {
      high = pps;
    } else {
      best = Math.max(best ?? 0, clean.deliveredPps);
      if (clean.offeredPps < SENDER_LIMIT * pps) break;
      low = pps;
    }
    if (high === Infinity) pps = low * GROWTH;
    else pps = low === 0 ? high / GROWTH : Math.sqrt(low * high);
  }
  return best;
}

async function probeUnlessLossy(pps, probe) {
  const result = await probe(Math.round(pps));
  return result.lossRatio <= LOSSLESS_RATIO ? result : null;
}
