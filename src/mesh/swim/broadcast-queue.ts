// News on its way to everybody (SWIM, section 4.1): each item rides on so many datagrams, those sent least first, so that
// fresh news overtakes old. Newer news of the same subject replaces older.

export interface Broadcast {
  /** What it is news of: a later broadcast of the same subject replaces this one. */
  readonly subject: string;
  /** As it goes into a datagram. */
  readonly bytes: Uint8Array;
}

/** Items that are looked at though they do not fit: the datagram is about full. */
const MAX_MISFITS = 8;

interface Queued extends Broadcast {
  /** Order of arrival: among those sent equally often the latest goes first. */
  readonly serial: number;
}

/** How often each node sends an item on: multiplier x ceil(log10(n + 1)). */
export function retransmitLimit(multiplier: number, memberCount: number): number {
  return multiplier * Math.ceil(Math.log10(memberCount + 1));
}

export class BroadcastQueue {
  /** Items by how often they were sent; each list newest last. */
  readonly #byTransmits: Queued[][] = [];
  readonly #current = new Map<string, Queued>();
  readonly #capacity: number;
  #serial = 0;
  /** Items in the lists, those that were replaced included. */
  #stored = 0;
  dropped = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#current.size;
  }

  /** Of the next item: makes a subject of one that nothing replaces. */
  get nextSerial(): number {
    return this.#serial;
  }

  /** In a full queue the item that was sent most often makes room. */
  add(broadcast: Broadcast): void {
    const queued = { ...broadcast, serial: this.#serial++ };
    if (!this.#current.has(broadcast.subject) && this.size >= this.#capacity) this.#dropOne();
    this.#current.set(broadcast.subject, queued);
    this.#list(0).push(queued);
    this.#stored++;
    if (this.#stored > 2 * this.#capacity) this.#compact();
  }

  remove(subject: string): void {
    this.#current.delete(subject);
  }

  /**
   * Items for one datagram, which count as sent once more.
   * @param budget bytes in all
   * @param limit retransmitLimit(): items sent so often are finished
   * @param maxItems how many at most
   */
  take(budget: number, limit: number, maxItems = Infinity): Uint8Array[] {
    const taken: Uint8Array[] = [];
    const again: { item: Queued; transmits: number }[] = [];
    let left = budget;
    let misfits = 0;
    for (let transmits = 0; transmits < this.#byTransmits.length; transmits++) {
      const list = this.#list(transmits);
      const kept: Queued[] = [];
      while (list.length > 0 && misfits < MAX_MISFITS && taken.length < maxItems) {
        const item = list.pop() as Queued;
        this.#stored--;
        if (this.#current.get(item.subject) !== item) continue;
        if (item.bytes.length > left) {
          this.#stored++;
          kept.push(item);
          misfits++;
          continue;
        }
        left -= item.bytes.length;
        taken.push(item.bytes);
        if (transmits + 1 >= limit) this.#current.delete(item.subject);
        else again.push({ item, transmits: transmits + 1 });
      }
      while (kept.length > 0) list.push(kept.pop() as Queued);
      if (misfits >= MAX_MISFITS || taken.length >= maxItems) break;
    }
    for (const { item, transmits } of again) this.#insert(item, transmits);
    if (this.#current.size === 0) {
      this.#byTransmits.length = 0;
      this.#stored = 0;
    }
    return taken;
  }

  #insert(item: Queued, transmits: number): void {
    const list = this.#list(transmits);
    let at = list.length;
    while (at > 0 && (list[at - 1] as Queued).serial > item.serial) at--;
    list.splice(at, 0, item);
    this.#stored++;
  }

  /** Drops items that were replaced. */
  #compact(): void {
    this.#stored = 0;
    for (const [transmits, list] of this.#byTransmits.entries()) {
      const live = list.filter((item) => this.#current.get(item.subject) === item);
      this.#byTransmits[transmits] = live;
      this.#stored += live.length;
    }
  }

  #dropOne(): void {
    for (let transmits = this.#byTransmits.length - 1; transmits >= 0; transmits--) {
      const list = this.#list(transmits);
      while (list.length > 0) {
        const item = list.shift() as Queued;
        this.#stored--;
        if (this.#current.get(item.subject) !== item) continue;
        this.#current.delete(item.subject);
        this.dropped++;
        return;
      }
    }
  }

  #list(transmits: number): Queued[] {
    let list = this.#byTransmits[transmits];
    while (list === undefined) {
      this.#byTransmits.push([]);
      list = this.#byTransmits[transmits];
    }
    return list;
  }
}
