// The driver's event loop and the data plane's clock in tests: time passes only in advance().

import type { Scheduler } from '../../src/node/system.js';

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class FakeScheduler implements Scheduler {
  /** Any start but zero, which means "never" in PeerStats. */
  #nowMs = 1_000_000;
  readonly #timers = new Set<Timer>();
  #soon: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  soon(callback: () => void): void {
    this.#soon.push(callback);
  }

  /** One turn of the event loop: what was asked for before it, then the microtasks. */
  async turn(): Promise<number> {
    const callbacks = this.#soon;
    this.#soon = [];
    for (const callback of callbacks) callback();
    await microtasks();
    return callbacks.length;
  }

  /** Turns until nothing is left to do now. */
  async settle(): Promise<void> {
    await microtasks();
    while ((await this.turn()) > 0);
  }

  /** Lets time pass, timer by timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.settle();
    for (let next = this.#firstDue(endMs); next; next = this.#firstDue(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#timers.delete(next);
      next.callback();
      await this.settle();
    }
    this.#nowMs = endMs;
  }

  #firstDue(endMs: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.dueMs <= endMs && (first === null || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}

/** Microtasks that queue microtasks, to a depth that no code here reaches. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
