// Who has which address as this node sees it, and what follows if another has ours by right.

import { type AddressTable, resolveAddresses } from './addresses.js';
import type { MeshContext } from './context.js';
import type { OwnRecord } from './own-record.js';
import type { MemberEntry } from './swim/members.js';

export class AddressBook {
  readonly #context: MeshContext;
  readonly #own: OwnRecord;
  #table: AddressTable | null = null;
  /** Somebody claims an address of ours: who has it is to be found out. */
  #contested = false;

  constructor(context: MeshContext, own: OwnRecord) {
    this.#context = context;
    this.#own = own;
  }

  get nextMs(): number {
    return this.#contested ? -Infinity : Infinity;
  }

  /** Members may have come, gone or changed. */
  changed(): void {
    this.#table = null;
  }

  memberChanged(entry: MemberEntry): void {
    this.#table = null;
    const ours = this.#own.record.addresses;
    this.#contested ||= entry.record.addresses.some((address) =>
      ours.some(
        (own) => own.length === address.length && own.every((byte, i) => byte === address[i]),
      ),
    );
  }

  /** This node included. */
  table(): AddressTable {
    if (this.#table === null) {
      const { crypto, table, config } = this.#context;
      const { record, pinned, since } = this.#own;
      const others = table.entries().filter(({ state }) => state !== 'left');
      const claims = [{ id: record.id, record, pinned, since }, ...others];
      this.#table = resolveAddresses(crypto, claims, config.v4Prefix);
    }
    return this.#table;
  }

  tick(nowMs: number): void {
    if (!this.#contested) return;
    this.#contested = false;
    const { id } = this.#own.record;
    if (!this.table().losers.includes(id)) return;
    this.#own.nextAddress(nowMs);
    this.#context.effects.event('warn', 'another member has our IPv4 address: took the next one', {
      counter: this.#own.addressCounter,
    });
  }
}
