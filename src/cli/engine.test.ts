import { describe, expect, test } from 'vitest';
import { parseEngine } from './engine.js';

describe('the engine by the environment', () => {
  test.each([
    [{}, 1, 'single', 1],
    [{}, 3, 'single', 1],
    [{}, 4, 'workers', 2],
    [{}, 8, 'workers', 4],
    [{}, 64, 'workers', 6],
    [{ WEFT_ENGINE: 'auto' }, 2, 'single', 1],
    [{ WEFT_ENGINE: '' }, 2, 'single', 1],
    [{ WEFT_ENGINE: 'single' }, 64, 'single', 1],
    [{ WEFT_ENGINE: 'single', WEFT_WORKERS: '1' }, 64, 'single', 1],
    [{ WEFT_ENGINE: 'workers' }, 2, 'workers', 2],
    [{ WEFT_ENGINE: 'workers', WEFT_WORKERS: '3' }, 2, 'workers', 3],
    [{ WEFT_ENGINE: 'multiqueue' }, 1, 'multiqueue', 2],
    [{ WEFT_ENGINE: 'multiqueue' }, 64, 'multiqueue', 16],
    [{ WEFT_ENGINE: 'multiqueue', WEFT_WORKERS: '5' }, 64, 'multiqueue', 5],
    [{ WEFT_WORKERS: '1' }, 64, 'single', 1],
    [{ WEFT_WORKERS: '4' }, 2, 'workers', 4],
  ])('%j on %i CPUs: %s with %i', (environment, cpus, kind, threads) => {
    expect(parseEngine(environment, cpus)).toMatchObject({ kind, threads });
  });

  test('options are off unless asked for', () => {
    const off = { kind: 'single', threads: 1, realTime: 'whileBusy', ioUring: false };
    expect(parseEngine({}, 2)).toEqual(off);
    expect(parseEngine({ WEFT_IO: 'epoll' }, 2)).toEqual(off);
    const asked = { WEFT_BUSY_POLL_US: '50', WEFT_SCHED_FIFO: '1', WEFT_IO: 'io_uring' };
    expect(parseEngine(asked, 2)).toMatchObject({
      busyPollUs: 50,
      realTime: 'always',
      ioUring: true,
    });
  });

  test.each([
    [{}, 1, 'never'],
    [{}, 2, 'whileBusy'],
    [{}, 4, 'never'],
    [{ WEFT_ENGINE: 'single' }, 4, 'whileBusy'],
    [{ WEFT_ENGINE: 'workers' }, 2, 'never'],
    [{ WEFT_SCHED_FIFO: '0' }, 2, 'never'],
    [{ WEFT_SCHED_FIFO: '1' }, 1, 'always'],
    [{ WEFT_SCHED_FIFO: '1' }, 8, 'always'],
  ])('%j on %i CPUs: in real time %s', (environment, cpus, realTime) => {
    expect(parseEngine(environment, cpus)).toMatchObject({ realTime });
  });

  test.each([
    [{ WEFT_ENGINE: 'fast' }, /^WEFT_ENGINE is 'fast': use auto, single, workers, multiqueue$/],
    [{ WEFT_WORKERS: '0' }, /^WEFT_WORKERS is '0': use a number from 1 to 16$/],
    [{ WEFT_WORKERS: '17' }, /^WEFT_WORKERS/],
    [{ WEFT_WORKERS: '2.5' }, /^WEFT_WORKERS/],
    [{ WEFT_WORKERS: 'x' }, /^WEFT_WORKERS/],
    [{ WEFT_ENGINE: 'single', WEFT_WORKERS: '2' }, /^WEFT_WORKERS: 'single' has one thread/],
    [{ WEFT_BUSY_POLL_US: '-1' }, /^WEFT_BUSY_POLL_US/],
    [{ WEFT_BUSY_POLL_US: '1000001' }, /^WEFT_BUSY_POLL_US/],
    [{ WEFT_IO: 'uring' }, /^WEFT_IO is 'uring': use epoll, io_uring$/],
    [{ WEFT_SCHED_FIFO: 'yes' }, /^WEFT_SCHED_FIFO is 'yes': use a number from 0 to 1$/],
  ])('%j is refused', (environment, message) => {
    expect(() => parseEngine(environment, 8)).toThrow(message);
  });
});
