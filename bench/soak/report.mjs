/** JSON of a soak -> one self-contained HTML page: verdict, then memory, rate and drops over time. */
import { colours, escapeHtml, lineChart, page, table } from '../throughput/charts.mjs';
import { rekeyTimes } from './verdict.mjs';

/** Differences of a count between samples, a second. */
const rates = (samples, pick) =>
  samples.slice(1).map((now, i) => ({
    x: now.seconds,
    y: Math.max(0, pick(now) - pick(samples[i])) / (now.seconds - samples[i].seconds),
  }));

/** @param {object} result what run.mjs writes with --json */
export function renderSoak(result) {
  const { candidate, options, machine, samples, checks, counters, startedAtMs } = result;
  const colour = colours([candidate.name]).get(candidate.name);
  const marks = rekeyTimes(samples).map((ms) => (ms - startedAtMs) / 1000);
  const chart = (title, points, fromZero) =>
    `<h3>${escapeHtml(title)}</h3>\n${lineChart({ title, points, colour, marks, fromZero })}`;
  const memory = ['A', 'B'].map((end, i) =>
    chart(
      `resident memory of end ${end}, MB`,
      samples.map(({ seconds, ends }) => ({ x: seconds, y: ends[i].rssMb })),
      false,
    ),
  );
  const load =
    options.load === 'tcp' ? `4 TCP streams each way (${options.congestion})` : 'no load';
  return page(
    `Soak of ${candidate.name}: ${options.seconds} s`,
    `<p class="muted">${escapeHtml(`${new Date(startedAtMs).toISOString()}; ${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}; ${candidate.version ?? ''}`)}</p>
<p>${escapeHtml(`${load}, and ${options.pps} datagrams of ${options.datagramBytes} B a second; veth ${options.mode}.`)} Dashed lines: rekeys.</p>
${table(['check', 'verdict', ''], checks.map(renderCheck))}
${chart('delivered, both ways, Gbit/s', gigabits(samples), true)}
${memory.join('\n')}
${chart(
  'dropped at the full TUN, a second',
  rates(samples, (s) => s.tunDropped),
  true,
)}
${chart(
  'dropped at full UDP sockets, a second',
  rates(samples, (s) => s.socketDropped),
  true,
)}
${counters.some((each) => each) ? `<h3>Counters at the end</h3>\n<pre class="scroll">${escapeHtml(JSON.stringify(counters, null, 1))}</pre>` : ''}`,
  );
}

const gigabits = (samples) =>
  rates(samples, ({ bytes }) => bytes).map(({ x, y }) => ({ x, y: (y * 8) / 1e9 }));

const renderCheck = ({ name, ok, detail }) => [
  escapeHtml(name),
  `<span class="${ok ? 'good' : 'bad'}">${ok ? 'ok' : 'FAIL'}</span>`,
  escapeHtml(detail),
];
