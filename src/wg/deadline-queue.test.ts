import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineQueue } from './deadline-queue.js';

const item = () => ({ heapIndex: -1, lookAtMs: 0 });

describe('DeadlineQueue', () => {
  it('gives what is due, earliest first, whatever was moved or removed', () => {
    const operation = fc.record({
      which: fc.nat(9),
      atMs: fc.oneof(fc.nat(100), fc.constant(Infinity)),
    });
    fc.assert(
      fc.property(fc.array(operation), fc.nat(110), (operations, nowMs) => {
        const items = Array.from({ length: 10 }, item);
        const queue = new DeadlineQueue<ReturnType<typeof item>>();
        const model = new Map<ReturnType<typeof item>, number>();
        for (const { which, atMs } of operations) {
          const each = items[which] ?? item();
          queue.schedule(each, atMs);
          if (atMs === Infinity) model.delete(each);
          else model.set(each, atMs);
        }
        const due = [...model.values()].filter((atMs) => atMs <= nowMs).sort((a, b) => a - b);
        const popped: number[] = [];
        for (let each = queue.popDue(nowMs); each; each = queue.popDue(nowMs)) {
          expect(each.heapIndex).toBe(-1);
          popped.push(model.get(each) ?? -1);
        }
        expect(popped).toEqual(due);
        expect(queue.nextMs).toBe(Math.min(...[...model.values()].filter((ms) => ms > nowMs)));
      }),
    );
  });

  it('is empty at first, and ignores the removal of what is not in it', () => {
    const queue = new DeadlineQueue<ReturnType<typeof item>>();
    queue.remove(item());
    expect(queue.nextMs).toBe(Infinity);
    expect(queue.popDue(1e9)).toBeNull();
  });
});
