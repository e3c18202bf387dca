// Which peer is to be looked at next: a binary heap by deadline, so that a tick costs what is due and not what exists.

export interface Scheduled {
  /** Place in the heap, kept by the queue; -1 while not in it. */
  heapIndex: number;
  /** Milliseconds on the data plane's clock, kept by the queue. */
  lookAtMs: number;
}

export class DeadlineQueue<Item extends Scheduled> {
  readonly #heap: Item[] = [];

  /** The earliest deadline; Infinity if the queue is empty. */
  get nextMs(): number {
    return this.#heap[0]?.lookAtMs ?? Infinity;
  }

  /** Inserts or moves; a deadline of Infinity removes. */
  schedule(item: Item, atMs: number): void {
    if (atMs === Infinity) {
      this.remove(item);
      return;
    }
    item.lookAtMs = atMs;
    if (item.heapIndex < 0) {
      item.heapIndex = this.#heap.length;
      this.#heap.push(item);
    }
    this.#settle(item);
  }

  remove(item: Item): void {
    if (item.heapIndex < 0) return;
    const hole = item.heapIndex;
    item.heapIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    this.#place(last, hole);
    this.#settle(last);
  }

  /** Takes out one item whose deadline has come. */
  popDue(nowMs: number): Item | null {
    const first = this.#heap[0];
    if (first === undefined || first.lookAtMs > nowMs) return null;
    this.remove(first);
    return first;
  }

  /** Restores the heap's order around an item that may be out of place either way. */
  #settle(item: Item): void {
    for (;;) {
      const parent = item.heapIndex > 0 ? this.#heap[(item.heapIndex - 1) >> 1] : undefined;
      if (parent === undefined || parent.lookAtMs <= item.lookAtMs) break;
      this.#swap(item, parent);
    }
    for (;;) {
      const child = this.#earlierChild(item.heapIndex);
      if (child === undefined || child.lookAtMs >= item.lookAtMs) break;
      this.#swap(item, child);
    }
  }

  #earlierChild(index: number): Item | undefined {
    const left = this.#heap[2 * index + 1];
    const right = this.#heap[2 * index + 2];
    return left !== undefined && right !== undefined && right.lookAtMs < left.lookAtMs
      ? right
      : left;
  }

  #swap(a: Item, b: Item): void {
    const index = a.heapIndex;
    this.#place(a, b.heapIndex);
    this.#place(b, index);
  }

  #place(item: Item, index: number): void {
    this.#heap[index] = item;
    item.heapIndex = index;
  }
}
