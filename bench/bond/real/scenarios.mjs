/**
 * The rows of the bond's table that mean most with the kernel's own TCP. Each says what the links are, what runs, and how
 * its course is judged against its gate and against the best of its links alone, without a bond.
 */
import { mean } from './load.mjs';

/** TCP payload of an IP packet of the tunnel at MTU 1420, and what that packet is outside: 60 bytes of headers more. */
const PAYLOAD_SHARE = (1420 - 52) / (1420 + 60);
/** A flow has so long to fill the bond. */
const START_S = 10;
const CALM_S = 2;

/** Mbit/s, round trip in ms; drop-tail queue of 100 ms. */
const link = (rate, rtt, more = {}) => ({ rate, delay: rtt / 2, queue: 100, ...more });

export const describeLink = ({ rate, delay, queue: _, ...more }) =>
  [
    rate ? `${rate} Mbit/s` : 'unlimited',
    `${delay * 2} ms`,
    ...Object.entries(more).map(([key, value]) => `${key} ${value}`),
  ].join(' ');

/** What the links' rates leave for TCP payload, Mbit/s. */
const capacity = (links) => links.reduce((sum, { rate }) => sum + rate, 0) * PAYLOAD_SHARE;

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const mbps = (value) => `${value.toFixed(1)} Mbit/s`;

/** When the goodput of two seconds first reached this share of the capacity; Infinity = never. */
function reached(goodput, wanted) {
  const found = goodput.find(({ t }) => mean(goodput, t, t + 2) >= wanted);
  return found ? found.t : Infinity;
}

/** @typedef {{best: number, singles: number[]}} Base goodput of the links alone, Mbit/s */

/** Goodput after the start, against the sum. */
function filled(gate, timesBest = 0) {
  return ({ goodput, uplinks }, { links, base, seconds }) => {
    const value = mean(goodput, START_S, seconds);
    const share = value / capacity(links);
    const at = reached(goodput, gate * capacity(links));
    const parts = uplinks.map((points) => mean(points, START_S, seconds));
    const total = parts.reduce((a, b) => a + b, 0);
    return {
      figure: `${mbps(value)}, ${percent(share)} of the sum; ${percent(gate)} ${Number.isFinite(at) ? `after ${at.toFixed(1)} s` : 'never reached'}; shares ${parts.map((part) => percent(part / total)).join(' / ')}`,
      value: share,
      met: share >= gate && value >= timesBest * base.best,
    };
  };
}

/** Never below 95 % of the best single link. */
function notBelowBest({ goodput }, { links, base, seconds }) {
  const value = mean(goodput, START_S, seconds);
  const ratio = value / base.best;
  return {
    figure: `${percent(ratio)} of the best single (${mbps(value)}; ${percent(value / capacity(links))} of the sum)`,
    value: ratio,
    met: ratio >= 0.95,
  };
}

/** The call across the happenings, and the stream after them. */
function survived({ call, goodput }, { links, seconds }) {
  const after = mean(goodput, seconds - 5, seconds) / capacity(links);
  return {
    figure: `call: longest silence ${call.longestSilenceMs.toFixed(0)} ms, ${call.missing} lost, ${call.inversions} inversions; stream at the end ${percent(after)} of the sum`,
    value: call.longestSilenceMs,
    met: call.longestSilenceMs <= 120 && call.inversions === 0,
  };
}

/** The gate is on the whole call; what it is once the links have been measured is told beside it. */
function calm({ call, delay }, { links }) {
  const fast = Math.min(...links.map(({ delay: oneWay }) => oneWay));
  const later = delay
    .filter(({ t }) => t > CALM_S)
    .map(({ value }) => value)
    .sort((a, b) => a - b);
  const settled = later[Math.floor(0.99 * (later.length - 1))];
  const above = call.delayMs.p99 - fast;
  return {
    figure: `p50 ${call.delayMs.p50.toFixed(1)}, p99 ${call.delayMs.p99.toFixed(1)} ms (after ${CALM_S} s ${settled.toFixed(1)}), fast path ${fast} ms; ${call.inversions} inversions, ${call.missing} lost`,
    value: above,
    met: above <= 25 && call.inversions === 0,
  };
}

const hole = (i, on) => (scene) => scene.relay.set(`n1.${i}`, { black_hole: on });

const MATRIX = [link(40, 10), link(20, 50), link(100, 20), link(8, 60), link(4, 150)];
const pairs = MATRIX.flatMap((one, i) => MATRIX.slice(i + 1).map((other) => [one, other]));

/**
 * @typedef {{row: string, name: string, gate: string, links: readonly import('./relay.mjs').Impairment[],
 *   load: import('./load.mjs').Load,
 *   judge: (course: import('./load.mjs').Course, context: {links: readonly object[], base: Base, seconds: number}) =>
 *     {figure: string, value: number, met: boolean}}} Scenario
 */

const stream = (row, name, gate, links, congestion, judge, seconds = 25) => ({
  row,
  name: `${name}, ${congestion}`,
  gate,
  links,
  load: { seconds, congestion },
  judge,
});

const SUM_90 = '>= 90 % of the sum within 10 s';
const congestions = ['cubic', 'reno', 'bbr'];
const equal = [link(40, 20), link(40, 20)];
const uneven = [link(40, 10), link(40, 80)];

/** @type {readonly Scenario[]} */
export const SCENARIOS = [
  ...congestions.map((cc) => stream('1', 'equal links', SUM_90, equal, cc, filled(0.9))),
  ...congestions.map((cc) => stream('2', 'RTT 10/80 ms', SUM_90, uneven, cc, filled(0.9))),
  ...['cubic', 'bbr'].flatMap((cc) => [
    stream('3', '40+4, RTT 10/80 ms', SUM_90, [link(40, 10), link(4, 80)], cc, filled(0.9)),
    stream('3', '4+40, RTT 10/80 ms', SUM_90, [link(4, 10), link(40, 80)], cc, filled(0.9)),
    stream('4', '100+10, RTT 20/20 ms', SUM_90, [link(100, 20), link(10, 20)], cc, filled(0.9)),
    stream('4', '300+30, RTT 8/40 ms', SUM_90, [link(300, 8), link(30, 40)], cc, filled(0.9)),
  ]),
  {
    row: '8',
    name: 'the fast uplink goes down under load and comes back, cubic and a call',
    gate: 'call silent <= 120 ms, in order',
    links: uneven,
    load: {
      seconds: 30,
      congestion: 'cubic',
      call: true,
      happenings: [
        { at: 10, label: 'up0 down', act: (scene) => scene.unplug(0) },
        { at: 18, label: 'up0 up', act: (scene) => scene.plug(0) },
      ],
    },
    judge: survived,
  },
  {
    row: '8',
    name: 'the fast path swallows everything and comes back, cubic and a call',
    gate: 'call silent <= 120 ms, in order',
    links: uneven,
    load: {
      seconds: 30,
      congestion: 'cubic',
      call: true,
      happenings: [
        { at: 10, label: 'path 0 silent', act: hole(0, 1) },
        { at: 18, label: 'path 0 answers', act: hole(0, 0) },
      ],
    },
    judge: survived,
  },
  ...congestions.map((cc) => ({
    row: '9',
    name: `a call beside a stream, ${cc}`,
    gate: 'p99 <= fast path + 25 ms, no inversions',
    links: uneven,
    load: { seconds: 20, congestion: cc, call: true },
    judge: calm,
  })),
  ...[0.001, 0.01].flatMap((loss) =>
    ['cubic', 'bbr'].map((cc) => {
      const lossy = [link(40, 20, { loss }), link(40, 20, { loss })];
      // BBR fills a link that loses this little: alone there is nothing to win but the other link
      const times = cc === 'bbr' ? 1 : 2;
      const gate = times === 2 ? '>= 90 % of the sum, >= 2x the best single' : SUM_90;
      const name = `${loss * 100} % random loss on both`;
      return stream('13', name, gate, lossy, cc, filled(0.9, times));
    }),
  ),
  ...pairs.map(([one, other]) =>
    stream(
      '24',
      `${describeLink(one)} + ${describeLink(other)}`,
      '>= 95 % of the best single link',
      [one, other],
      'cubic',
      notBelowBest,
      20,
    ),
  ),
];

/** Row 21 compares the same link with and without a bond, as fast as the machine goes. */
export const ONE_PATH = { row: '21', link: {}, rounds: 3, seconds: 8, congestion: 'cubic' };
