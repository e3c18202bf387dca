// Who has which address as this node sees it, and what follows if another has ours by right.

import {
  type AddressClaim,
  type AddressTable,
  addressKey,
  hostRoutes,
  resolveAddresses,
} from './addresses.js';
import type { MeshContext } from './context.js';
import type { OwnRecord } from './own-record.js';
import type { MemberEntry } from './swim/members.js';

export class AddressBook {
  readonly #context: MeshContext;
  readonly #own: OwnRecord;
  #table: AddressTable | null = null;
  /** Keys of the addresses that we claim. */
  #claimed: readonly string[] = [];
  /** Somebody else may have an address of ours: who has it is to be found out. */
  #contested = false;
  /** Another has our IPv4 address, and no other was free. */
  #withoutAddress = false;

  constructor(context: MeshContext, own: OwnRecord) {
    this.#context = context;
    this.#own = own;
  }

  get nextMs(): number {
    return this.#contested ? -Infinity : Infinity;
  }

  /** An address that is new to us may be another's already. */
  ownChanged(): void {
    this.#table = null;
    const claimed = this.#own.record.addresses.map(addressKey);
    this.#contested ||= claimed.join() !== this.#claimed.join();
    this.#claimed = claimed;
  }

  memberChanged({ record }: MemberEntry): void {
    this.#table = null;
    const named = [...record.addresses, ...hostRoutes(record)];
    this.#contested ||=
      this.#withoutAddress || named.some((address) => this.#claimed.includes(addressKey(address)));
  }

  /** This node included. */
  table(): AddressTable {
    if (this.#table === null) {
      const { crypto, table, config } = this.#context;
      const others = table.entries().filter(({ state }) => state !== 'left');
      this.#table = resolveAddresses(crypto, [this.#ownClaim(), ...others], config.v4Prefix);
    }
    return this.#table;
  }

  /** As others judge it, if this node trusts its own certificate. What their key files say it cannot know. */
  #ownClaim(): AddressClaim {
    const { trust, wallTime } = this.#context;
    const { record } = this.#own;
    const verdict = trust.assess(record, wallTime().seconds);
    const { pinned, since } = verdict.ok ? verdict : this.#own;
    return { id: record.id, record, pinned, since };
  }

  tick(nowMs: number): void {
    if (!this.#contested) return;
    this.#contested = false;
    const { owners, losers } = this.table();
    const wasWithout = this.#withoutAddress;
    this.#withoutAddress = false;
    if (!losers.includes(this.#own.record.id)) return;
    const { effects } = this.#context;
    if (this.#own.nextAddress(nowMs, (address) => !owners.has(addressKey(address)))) {
      effects.event('warn', 'another member has our IPv4 address: took the next free one', {
        counter: this.#own.addressCounter,
      });
      return;
    }
    this.#withoutAddress = true;
    if (wasWithout) return;
    effects.event('warn', 'another member has our IPv4 address, and there is no other for us');
  }
}
