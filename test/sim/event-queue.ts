// Virtual time: what is to happen next, in the order of time, and of asking where the times are equal.

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly action: () => void;
}

export class EventQueue {
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #order = 0;

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get size(): number {
    return this.#heap.length;
  }

  at(atMs: number, action: () => void): void {
    const event = { atMs: Math.max(atMs, this.#nowMs), order: this.#order++, action };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent] as Event;
      if (!isBefore(event, above)) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = event;
  }

  /** Runs the next event if it is due by `untilMs`; else moves time there. False: nothing was due. */
  step(untilMs: number): boolean {
    const first = this.#heap[0];
    if (first === undefined || first.atMs > untilMs) {
      this.#nowMs = untilMs;
      return false;
    }
    this.#removeFirst();
    this.#nowMs = first.atMs;
    first.action();
    return true;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const { length } = heap;
    if (length === 0) return;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      const below = heap[child] as Event;
      if (!isBefore(below, last)) break;
      heap[hole] = below;
      hole = child;
    }
    heap[hole] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
