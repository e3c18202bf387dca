import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BroadcastQueue, retransmitLimit } from './broadcast-queue.js';

const item = (subject: string, length = 10, fill = 0) => {
  return { subject, bytes: new Uint8Array(length).fill(fill) };
};

describe('broadcasts', () => {
  test.each([
    { n: 1, sends: 4 },
    { n: 9, sends: 4 },
    { n: 10, sends: 8 },
    { n: 99, sends: 8 },
    { n: 1_000, sends: 16 },
  ])('among $n members are sent $sends times', ({ n, sends }) => {
    expect(retransmitLimit(4, n)).toBe(sends);
  });

  test('end when they were sent often enough', () => {
    const queue = new BroadcastQueue(10);
    queue.add(item('a'));
    for (let i = 0; i < 3; i++) expect(queue.take(100, 3)).toHaveLength(1);
    expect(queue.take(100, 3)).toHaveLength(0);
    expect(queue.size).toBe(0);
  });

  test('sent least go first, and of those the latest', () => {
    const queue = new BroadcastQueue(10);
    queue.add(item('a', 10, 1));
    queue.take(10, 9);
    queue.add(item('b', 10, 2));
    queue.add(item('c', 10, 3));
    const order = [1, 2, 3].map(() => queue.take(10, 9)[0]?.[0]);
    expect(order).toEqual([3, 2, 3]);
  });

  test('of one subject are replaced by the latest', () => {
    const queue = new BroadcastQueue(10);
    queue.add(item('a', 10, 1));
    queue.add(item('a', 10, 2));
    expect(queue.size).toBe(1);
    expect(queue.take(100, 5).map((bytes) => bytes[0])).toEqual([2]);
  });

  test('that do not fit let smaller ones pass, and go alone when asked for', () => {
    const queue = new BroadcastQueue(10);
    queue.add(item('small', 10));
    queue.add(item('large', 100));
    expect(queue.take(50, 2).map((bytes) => bytes.length)).toEqual([10]);
    expect(queue.take(50, 2).map((bytes) => bytes.length)).toEqual([10]);
    expect(queue.take(Infinity, 2, 1).map((bytes) => bytes.length)).toEqual([100]);
  });

  test('beyond the capacity push out what was sent most', () => {
    const queue = new BroadcastQueue(2);
    queue.add(item('a', 10, 1));
    queue.take(10, 9);
    queue.add(item('b', 10, 2));
    queue.add(item('c', 10, 3));
    expect(queue.size).toBe(2);
    expect(queue.dropped).toBe(1);
    expect(queue.take(100, 9).map((bytes) => bytes[0])).toEqual([3, 2]);
  });

  test('are each sent exactly so often, whatever the order of things', () => {
    const action = fc.oneof(
      fc.record({ add: fc.integer({ min: 0, max: 20 }), length: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 120 }) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const queue = new BroadcastQueue(64);
        const sent = new Map<Uint8Array, number>();
        const current = new Map<string, Uint8Array>();
        const take = (budget: number) => {
          const taken = queue.take(budget, 3);
          expect(taken.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(budget);
          for (const bytes of taken) sent.set(bytes, (sent.get(bytes) ?? 0) + 1);
          return taken.length;
        };
        for (const step of actions) {
          if ('take' in step) {
            take(step.take);
            continue;
          }
          const added = item(`${step.add}`, step.length);
          current.set(added.subject, added.bytes);
          queue.add(added);
        }
        while (take(10_000) > 0);
        expect(queue.size).toBe(0);
        for (const bytes of current.values()) expect(sent.get(bytes)).toBe(3);
      }),
    );
  });
});
