/** CPU time and memory of an implementation's processes, and of the machine, from /proc. */
import { readdirSync } from 'node:fs';
import { readProc } from './command.mjs';

// USER_HZ; 100 on every architecture that Linux has Node for.
const NS_PER_TICK = 10_000_000;

/** The fields of /proc/PID/stat from the third on; the name before them may hold anything. */
function statFields(path) {
  const text = readProc(path);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

const allPids = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** `root` and all its descendants. */
export function processTree(root) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const pid of allPids()) {
    const parent = Number(statFields(`/proc/${pid}/stat`)?.[1]);
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(pid);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]) ?? []));
  return tree;
}

/**
 * CPU time that the processes have used, all threads, in nanoseconds.
 * schedstat counts nanoseconds (an idle daemon needs that); stat only ticks of 10 ms.
 */
export function cpuTimeNs(pids) {
  let total = 0;
  for (const pid of pids) {
    const exact = threadTimesNs(pid);
    const fields = statFields(`/proc/${pid}/stat`);
    total += exact ?? (fields ? (Number(fields[11]) + Number(fields[12])) * NS_PER_TICK : 0);
  }
  return total;
}

function threadTimesNs(pid) {
  let total = 0;
  try {
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      const text = readProc(`/proc/${pid}/task/${tid}/schedstat`);
      if (text === null) return null;
      total += Number(text.split(' ')[0]);
    }
  } catch {
    return null;
  }
  return total;
}

/**
 * Memory of the processes together, MB (10^6 bytes).
 * @returns {{residentMb: number, peakMb: number}} VmRSS and VmHWM
 */
export function memory(pids) {
  const sum = { residentMb: 0, peakMb: 0 };
  for (const pid of pids) {
    const status = readProc(`/proc/${pid}/status`) ?? '';
    sum.residentMb += (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024) / 1e6;
    sum.peakMb += (Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024) / 1e6;
  }
  return sum;
}

/** Time that all cores together were not idle since boot, in nanoseconds (ticks of 10 ms). */
export function machineBusyNs() {
  const fields = /^cpu +(.*)$/m
    .exec(readProc('/proc/stat') ?? '')?.[1]
    .split(' ')
    .map(Number);
  if (!fields) return 0;
  const [user, nice, system, , , irq, softirq] = fields;
  return (user + nice + system + irq + softirq) * NS_PER_TICK;
}

const KTHREADD = 2;

/**
 * CPU time that processes other than the benchmark's have used since boot, kernel threads excepted,
 * in nanoseconds. What ended counts with its parent, where that waited for it.
 */
export function foreignTimeNs() {
  const own = new Set([...processTree(process.pid), ...processTree(KTHREADD)]);
  let ticks = 0;
  for (const pid of allPids()) {
    if (own.has(pid)) continue;
    const fields = statFields(`/proc/${pid}/stat`) ?? [];
    // utime, stime, cutime, cstime
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks * NS_PER_TICK;
}
