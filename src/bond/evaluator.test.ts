// The stories that the evaluator exists for, each as it happened, and the rows of the bond's table that concern it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BOOST, EVALUATION_MS, Evaluator, GRACE_MS, type PathSample } from './evaluator.js';

const SECOND = 1_000;
const MBIT = 1_000_000;
const PACKETS_PER_MBIT = 90;

/** A path of the simulated bond: what it is offered, and what becomes of it, each second. */
class Link {
  sentPackets = 0;
  lostPackets = 0;
  active = true;
  excluded = false;
  fresh = true;
  offeredMbit = 0;
  loss = 0;
  /** Rate at which it delivers at most. */
  capacityMbit = Infinity;
  rttMs = 20;
  queueDelayMs = 0;
  jitterMs = 1;

  constructor(readonly key: string) {}

  tick(): PathSample {
    const sent = Math.round(this.offeredMbit * PACKETS_PER_MBIT);
    this.sentPackets += sent;
    this.lostPackets += Math.round(sent * this.loss);
    const delivered = Math.min(this.capacityMbit, this.offeredMbit * (1 - this.loss));
    return {
      key: this.key,
      active: this.active,
      excluded: this.excluded,
      fresh: this.fresh,
      rttMs: this.rttMs,
      minRttMs: 20,
      queueDelayMs: this.queueDelayMs,
      jitterMs: this.jitterMs,
      deliveredBitsPerSecond: delivered * MBIT,
      offeredBitsPerSecond: this.offeredMbit * MBIT,
      sentPackets: this.sentPackets,
      lostPackets: this.lostPackets,
    };
  }
}

class Rig {
  readonly evaluator = new Evaluator();
  nowMs = 1_000_000;
  links = [new Link('0.1'), new Link('1.1')];

  get a(): Link {
    return this.links[0] as Link;
  }

  get b(): Link {
    return this.links[1] as Link;
  }

  /** Lets seconds pass. */
  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += SECOND) {
      this.evaluator.observe(
        this.nowMs,
        this.links.map((link) => link.tick()),
      );
    }
  }

  /** Past the grace period, both links well and loaded; an evaluation has just been. */
  settled(): this {
    for (const link of this.links) link.offeredMbit = 20;
    this.run(GRACE_MS + 2 * EVALUATION_MS + SECOND);
    return this;
  }

  weight(link: Link): number {
    return this.evaluator.verdict(link.key).weight;
  }

  findings(link: Link): string {
    return this.evaluator.verdict(link.key).findings.join('; ');
  }
}

describe('the stories of the seeds', () => {
  test('the idle link locked at zero by its own telemetry: nothing is sent by it, so it delivers nothing', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.25;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10);
    // The scheduler turns away from it, and it heals. Measured rate: 0 beside 40 Mbit/s.
    rig.b.loss = 0;
    rig.b.offeredMbit = 0;
    rig.a.offeredMbit = 40;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
  });

  test('recovery after degradation: a healed link is back with the next clean evaluation, not after a cap', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.15;
    rig.b.rttMs = 300;
    rig.run(3 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(40);
    expect(rig.findings(rig.b)).toContain('lost');
    expect(rig.findings(rig.b)).toContain('delay 280 ms above its base');
    rig.b.loss = 0;
    rig.b.rttMs = 20;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
  });

  test('first evaluation after start: a link that has just begun measured 0 and is not punished (row 23)', () => {
    const rig = new Rig();
    rig.a.offeredMbit = 40;
    rig.run(EVALUATION_MS + SECOND);
    // the second one joins, sends at once, and nothing has arrived yet
    const late = new Link('1.2');
    late.offeredMbit = 20;
    late.capacityMbit = 0;
    rig.links = [rig.a, late];
    rig.run(EVALUATION_MS);
    expect(rig.weight(late)).toBe(100);
    late.capacityMbit = Infinity;
    rig.run(3 * EVALUATION_MS);
    expect(rig.weight(late)).toBe(100);
  });

  test('after a restart nothing is held against anybody (row 23)', () => {
    const rig = new Rig();
    rig.b.loss = 0.5;
    rig.b.offeredMbit = 20;
    rig.run(GRACE_MS - SECOND);
    expect(rig.weight(rig.b)).toBe(100);
    expect(rig.evaluator.verdict('1.1').kind).toBe('grace');
  });

  test('a score never withholds: whatever is measured, the weight is 10 to 100', () => {
    const load = fc.record({
      loss: fc.double({ min: 0, max: 1, noNaN: true }),
      rttMs: fc.nat(5_000),
      jitterMs: fc.nat(500),
      offeredMbit: fc.nat(100),
      capacityMbit: fc.nat(100),
      fresh: fc.boolean(),
      active: fc.boolean(),
      excluded: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(load, load), { maxLength: 20 }), (phases) => {
        const rig = new Rig();
        for (const [a, b] of phases) {
          Object.assign(rig.a, a);
          Object.assign(rig.b, b);
          rig.run(EVALUATION_MS);
          for (const link of rig.links) {
            expect(rig.weight(link)).toBeGreaterThanOrEqual(10);
            expect(rig.weight(link)).toBeLessThanOrEqual(100);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('rows of the table', () => {
  test('row 5: ten idle minutes are no evidence', () => {
    const rig = new Rig().settled();
    for (const link of rig.links) link.offeredMbit = 0;
    rig.run(600 * SECOND);
    expect(rig.weight(rig.a)).toBe(100);
    expect(rig.weight(rig.b)).toBe(100);
    expect(rig.evaluator.verdict(rig.b.key).kind).toBe('idle');
  });

  test('row 6: a link that starts at 2 Mbit/s beside one of 40 keeps its full weight while it grows', () => {
    const rig = new Rig();
    rig.a.offeredMbit = 40;
    for (const mbit of [2, 2, 3, 5, 8, 13, 20, 30, 40]) {
      rig.b.offeredMbit = mbit;
      rig.run(EVALUATION_MS);
      expect(rig.weight(rig.b)).toBe(100);
    }
  });

  test('row 22: reports are lost for 5 s and more: back to a fair split, never 0', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.25;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10);
    for (const link of rig.links) link.fresh = false;
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10 + BOOST);
    rig.run(6 * EVALUATION_MS);
    expect([rig.weight(rig.a), rig.weight(rig.b)]).toEqual([100, 100]);
    expect(rig.evaluator.verdict(rig.b.key).kind).toBe('stale');
  });

  test('row 22: the reports of one link alone say nothing new of it: its weight stays', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.25;
    rig.run(2 * EVALUATION_MS);
    rig.b.fresh = false;
    rig.run(6 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10);
    expect(rig.findings(rig.b)).toContain('no telemetry');
  });
});

describe('what is judged', () => {
  test('delivered against offered: a slow link that delivers what it is given is a good one', () => {
    const rig = new Rig().settled();
    rig.a.offeredMbit = 100;
    rig.b.offeredMbit = 4;
    rig.run(3 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
    expect(rig.evaluator.verdict(rig.b.key).points).toBe(0);
  });

  test('with telemetry a low rate weighs little, as loss is known; without it much', () => {
    const withTelemetry = new Rig().settled();
    const without = new Rig();
    for (const link of without.links) link.fresh = false;
    without.settled();
    for (const rig of [withTelemetry, without]) {
      rig.b.capacityMbit = 0.1;
      rig.run(2 * EVALUATION_MS);
    }
    expect(withTelemetry.evaluator.verdict('1.1').points).toBe(10);
    expect(withTelemetry.weight(withTelemetry.b)).toBe(70);
    expect(without.evaluator.verdict('1.1').points).toBe(40);
    expect(without.weight(without.b)).toBe(10);
  });

  test('without telemetry a link far slower than the best is asked for 1 Mbit/s by their number', () => {
    const rig = new Rig();
    for (const link of rig.links) link.fresh = false;
    rig.settled();
    rig.b.capacityMbit = 0.45;
    rig.run(2 * EVALUATION_MS);
    expect(rig.evaluator.verdict('1.1').points).toBe(0);
    rig.b.capacityMbit = 0.3;
    rig.run(2 * EVALUATION_MS);
    expect(rig.evaluator.verdict('1.1').points).toBe(15);
  });

  test('telemetry that it sent once makes it capable for ever, and is no news when it is stale', () => {
    const rig = new Rig().settled();
    rig.b.fresh = false;
    rig.b.capacityMbit = 4;
    rig.b.rttMs = 5_000;
    rig.run(3 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
    // fresh again: the tiers are those with telemetry, 10 for the rate and 20 for the delay
    rig.b.fresh = true;
    rig.run(2 * EVALUATION_MS);
    expect(rig.evaluator.verdict('1.1').points).toBe(30);
  });

  test('delay against the own base: a satellite link is not bad for being far', () => {
    const rig = new Rig();
    for (const link of rig.links) link.tick = tickWithBase(link, 600);
    rig.settled();
    expect(rig.weight(rig.b)).toBe(100);
  });

  test('63 packets are too few to lose any', () => {
    const rig = new Rig().settled();
    rig.b.offeredMbit = 0;
    rig.run(EVALUATION_MS);
    rig.b.sentPackets += 63;
    rig.b.lostPackets += 40;
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
  });

  test('what the data plane excluded is judged anew when it is back', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.5;
    rig.b.excluded = true;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
    rig.b.loss = 0;
    rig.b.excluded = false;
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
    expect(rig.evaluator.verdict('1.1').kind).toBe('judged');
  });

  test('another way in the same place begins anew', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.25;
    rig.run(2 * EVALUATION_MS);
    expect(rig.evaluator.verdict('1.1').weight).toBe(10);
    rig.links = [rig.a, new Link('1.2')];
    rig.run(SECOND);
    expect(rig.evaluator.verdict('1.2').weight).toBe(100);
    expect(rig.evaluator.verdict('1.1').weight).toBe(100);
  });
});

/** All its round trips are longer by `baseMs`. */
function tickWithBase(link: Link, baseMs: number): () => PathSample {
  return () => {
    const sample = Link.prototype.tick.call(link) as PathSample;
    return { ...sample, rttMs: link.rttMs + baseMs, minRttMs: 20 + baseMs };
  };
}

describe('hysteresis and damping', () => {
  test('a slight fall waits for a second evaluation, which may disagree', () => {
    const rig = new Rig().settled();
    rig.b.rttMs = 130;
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
    expect(rig.findings(rig.b)).toContain('85 % if the next evaluation agrees');
    rig.b.rttMs = 20;
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
    rig.b.rttMs = 130;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(85);
  });

  test('a steep fall is done at once', () => {
    const rig = new Rig().settled();
    rig.b.loss = 0.25;
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10);
  });

  test('a link that flaps is held low, recovers by the boost, and is free again after a calm while', () => {
    const rig = new Rig().settled();
    for (let flap = 0; flap < 3; flap++) {
      rig.b.loss = 0.25;
      rig.run(EVALUATION_MS);
      rig.b.loss = 0;
      rig.run(EVALUATION_MS);
    }
    // from 10, three times up by the boost and no further
    expect(rig.weight(rig.b)).toBe(10 + BOOST);
    expect(rig.findings(rig.b)).toContain('it changes often');
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10 + 3 * BOOST);
    rig.run(EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(10 + 3 * BOOST);
    rig.run(60 * SECOND);
    expect(rig.weight(rig.b)).toBe(100);
  });

  test('one that fell step by step does not flap', () => {
    const rig = new Rig().settled();
    for (const loss of [0.06, 0.11, 0.25]) {
      rig.b.loss = loss;
      rig.run(2 * EVALUATION_MS);
    }
    expect(rig.weight(rig.b)).toBe(10);
    rig.b.loss = 0;
    rig.run(2 * EVALUATION_MS);
    expect(rig.weight(rig.b)).toBe(100);
  });
});
