import { describe, expect, it } from 'vitest';
import {
  attribute,
  fold,
  formatFolded,
  linesOf,
  parseFolded,
  parseSamples,
  total,
} from './stacks.mjs';

const sample = () => parseSamples(linesOf(new URL('sample.perf-script.txt', import.meta.url)));

async function all(samples) {
  const list = [];
  for await (const item of samples) list.push(item);
  return list;
}

const parse = (...lines) => all(parseSamples(lines));

describe('parseSamples', () => {
  it('reads what perf script prints', async () => {
    const samples = await all(sample());
    expect(samples).toHaveLength(10);
    expect(samples[0]).toEqual({
      thread: 'weft-data',
      pid: 13863,
      weight: 2004008,
      event: 'cpu-clock',
      frames: [
        '[libstdc++.so.6.0.30]',
        'weft::engine::DataPlane::run',
        'weft::engine::DataPlane::round',
        'weft::engine::Outbound::run',
        'weft::engine::SendBatch::flush',
        'weft::crypto::avx512::(anonymous namespace)::run<false>',
        'weft::crypto::avx512::poly1305_blocks<2>',
      ],
    });
  });

  it('marks frames of the kernel and of JavaScript, and shortens the paths of scripts', async () => {
    const samples = await all(sample());
    const frames = samples.flatMap((s) => s.frames);
    expect(frames).toContain('tun_do_read_[k]');
    expect(frames).toContain('JS:*handshakeReceived wg/device.js:383:27_[j]');
  });

  it('takes names of threads with blanks, and symbols and files with parentheses', async () => {
    const samples = await all(sample());
    const foreign = samples.find((s) => s.thread === 'Socket Thread');
    expect(foreign.pid).toBe(902);
    expect(foreign.frames[0]).toBe('poll_loop(int, char const*)');
  });

  it('drops the rubbish outside of code without frame pointers', async () => {
    const [{ frames }] = await parse(
      'iperf3 7/7 [000] 1.5: 10 cycles: ',
      '	ffff sys_write ([kernel.kallsyms])',
      '	1ad8e4e34233d215 [unknown] ([unknown])',
      '	12 [unknown] ([unknown])',
      '	f8350 write (/usr/lib/libc.so.6)',
      '	1 [unknown] ([unknown])',
      '	0 [unknown] ([unknown])',
    );
    expect(frames).toEqual(['write', '[unknown]', 'sys_write_[k]']);
  });

  it('keeps samples without a stack', async () => {
    const samples = await parse('a 7/7 [000] 1.5: 10 cycles: ', '', 'b 8/8 [001] 1.6: 20 cycles:');
    expect(samples.map((s) => [s.thread, s.weight, s.frames])).toEqual([
      ['a', 10, []],
      ['b', 20, []],
    ]);
  });
});

const ends = { sender: [1], receiver: [2, 3] };

describe('attribute', () => {
  const of = (thread, pid, ...frames) => attribute({ thread, pid, weight: 1, frames }, ends);

  it('names the end of a thread', () => {
    expect(of('iperf3', 3, 'main')).toMatchObject({
      thread: 'iperf3 (receiver)',
      frames: ['main'],
    });
  });

  it('keeps the frames of the machine’s own threads', () => {
    expect(of('swapper', 0, 'do_idle_[k]')).toMatchObject({
      thread: 'swapper',
      frames: ['do_idle_[k]'],
    });
  });

  it('keeps no more of other processes than their name, and packets in an interrupt', () => {
    expect(of('cc1plus', 9, 'main', 'parse')).toMatchObject({
      thread: 'other processes',
      frames: ['cc1plus'],
    });
    const packets = ['net_rx_action_[k]', 'ip_rcv_[k]'];
    expect(of('cc1plus', 9, 'main', '__irq_exit_rcu_[k]', ...packets).frames).toEqual([
      'cc1plus',
      ...packets,
    ]);
    expect(of('curl', 9, 'main', '__sys_sendto_[k]', ...packets).frames).toEqual(['curl']);
  });
});

describe('fold', () => {
  it('adds equal stacks of one thread', async () => {
    const stacks = await fold(
      [
        { thread: 't', pid: 1, weight: 5, frames: ['a', 'b;c'] },
        { thread: 't', pid: 1, weight: 7, frames: ['a', 'b;c'] },
        { thread: 't', pid: 2, weight: 1, frames: ['a', 'b;c'] },
        { thread: 't', pid: 1, weight: 2, frames: [] },
      ],
      ends,
    );
    expect(Object.fromEntries(stacks)).toEqual({
      't (sender);a;b:c': 12,
      't (receiver);a;b:c': 1,
      't (sender)': 2,
    });
    expect(total(stacks)).toBe(15);
  });

  it('is read back from its text', async () => {
    const stacks = await fold(sample(), ends);
    const text = formatFolded(stacks);
    expect(parseFolded(text)).toEqual(new Map([...stacks].sort()));
    expect(formatFolded(parseFolded(text))).toBe(text);
  });
});
