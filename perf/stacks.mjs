/**
 * `perf script` text -> samples -> folded stacks: the first step after `perf record`.
 *
 *   perf script -> parseSamples -> frames named -> fold -> stages.mjs, flamegraph.mjs, difference.mjs
 *
 * A folded stack is the thread, then its frames from the outermost to the innermost, joined by ';'. A frame ends in
 * _[k] if it is the kernel's, in _[j] if it is JavaScript: the marks that flame graph tools agree on.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The fields that parseSamples reads. */
export const SCRIPT_FIELDS = 'comm,pid,tid,cpu,time,event,period,ip,sym,dso';

// "weft-data 1240/1251 [001]  123.456789:    2004008 cpu-clock:"; the name of a thread may hold blanks.
const HEADER = /^(.+?)\s+(\d+)\/(\d+)\s+\[\d+\]\s+[\d.]+:\s+(\d+)\s+(\S+?):/;
// "	ffffffff81e2eed9 sock_write_iter ([kernel.kallsyms])"; symbols of C++ hold blanks and parentheses.
const FRAME = /^\s+[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$/;
// Of a script's URL, all but the last directory and the file.
const LONG_PATH = /file:\/\/\S*\/(?=[^/\s]+\/[^/\s]+$)/;

/**
 * One sample.
 * @typedef {{thread: string, pid: number, weight: number, event: string, frames: string[]}} Sample
 *   weight: cycles, or ns of CPU time, since the sample before; frames: outermost first
 */

/**
 * @param {Iterable<string> | AsyncIterable<string>} lines of `perf script -F ${SCRIPT_FIELDS}`
 * @yields {Sample}
 */
export async function* parseSamples(lines) {
  let sample = null;
  for await (const line of lines) {
    if (line === '') {
      if (sample) yield finished(sample);
      sample = null;
      continue;
    }
    const header = sample ? null : HEADER.exec(line);
    if (header) {
      const [, thread, pid, , period, event] = header;
      sample = { thread, pid: Number(pid), weight: Number(period), event, frames: [] };
    } else if (sample) {
      const frame = FRAME.exec(line);
      if (frame) sample.frames.push(frameName(frame[1], frame[2]));
    }
  }
  if (sample) yield finished(sample);
}

export const linesOf = (path) => createInterface({ input: createReadStream(path) });

function frameName(symbol, object) {
  const name = symbol === '[unknown]' ? unnamed(object) : symbol;
  if (/^\[(kernel|guest\.kernel|bpf)|\.ko(\.\w+)?$|^bpf_prog_/.test(object)) return `${name}_[k]`;
  if (/\/perf-\d+\.map$/.test(object)) return `${name.replace(LONG_PATH, '')}_[j]`;
  return name;
}

function unnamed(object) {
  return object === '[unknown]' ? '[unknown]' : `[${object.slice(object.lastIndexOf('/') + 1)}]`;
}

/** perf gives the innermost frame first; where code keeps no frame pointers the outer ones are rubbish. */
function finished(sample) {
  const frames = sample.frames.reverse();
  const known = frames.findIndex((name) => name !== '[unknown]');
  const rest = known < 0 ? [] : frames.slice(known);
  sample.frames = rest.filter((name, i) => name !== '[unknown]' || rest[i - 1] !== name);
  return sample;
}

const PACKETS = /^net_[rt]x_action_\[k\]$/;
const INTERRUPT = /irq_exit/;
const OF_THE_MACHINE = /^(swapper|ksoftirqd|kworker|perf)/;

/**
 * Whose sample it is: a thread of an end is named with its end. Of processes that have nothing to do with the tunnel
 * only the name is kept, and the packets that were handled in an interrupt meanwhile.
 * @param {Sample} sample
 * @param {Record<string, number[]>} ends pids by end
 * @returns {Sample}
 */
export function attribute(sample, ends) {
  const end = Object.keys(ends).find((name) => ends[name].includes(sample.pid));
  if (end) return { ...sample, thread: `${sample.thread} (${end})` };
  if (OF_THE_MACHINE.test(sample.thread)) return sample;
  // Interrupts come to whoever runs; what a process sends by itself is its own.
  const interrupt = sample.frames.findIndex((frame) => INTERRUPT.test(frame));
  const packets = sample.frames.findIndex((frame, i) => i > interrupt && PACKETS.test(frame));
  const frames = interrupt < 0 || packets < 0 ? [] : sample.frames.slice(packets);
  return { ...sample, thread: 'other processes', frames: [sample.thread, ...frames] };
}

/**
 * Adds samples up by thread and stack.
 * @param {AsyncIterable<Sample>} samples
 * @param {Record<string, number[]>} ends pids by end, see attribute()
 * @returns {Promise<Map<string, number>>} folded stack -> weight
 */
export async function fold(samples, ends) {
  const stacks = new Map();
  for await (const sample of samples) {
    const { thread, frames, weight } = attribute(sample, ends);
    const key = [thread, ...frames].map((name) => name.replaceAll(';', ':')).join(';');
    stacks.set(key, (stacks.get(key) ?? 0) + weight);
  }
  return stacks;
}

/** The text form: a stack, a blank and its weight a line, sorted. */
export function formatFolded(stacks) {
  return [...stacks]
    .map(([stack, weight]) => `${stack} ${Math.round(weight)}\n`)
    .sort()
    .join('');
}

/** @returns {Map<string, number>} */
export function parseFolded(text) {
  const stacks = new Map();
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(' ');
    if (at > 0) stacks.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return stacks;
}

export const total = (stacks) => [...stacks.values()].reduce((sum, weight) => sum + weight, 0);
