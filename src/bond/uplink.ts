// A way out of this host: an interface with its addresses, and what it may be used for.

import type { IpAddress, Prefix } from '../core/types.js';
import type { Quota } from './quota.js';

/**
 * `backup`: while no normal path works; `metered`: carries its share of the load, but no copies and nothing that has
 * another way in the modes that use one path; `off`: nothing.
 */
export type UplinkRole = 'normal' | 'backup' | 'metered' | 'off';

/** What the configuration says of an uplink. */
export interface UplinkSettings {
  /** Name of the interface. */
  readonly name: string;
  readonly role: UplinkRole;
  /** Per cent, 10-100: the most that it is trusted with. */
  readonly weight: number;
  readonly quota: Quota | null;
}

export interface Uplink extends UplinkSettings {
  /** Interface index. */
  readonly index: number;
  /** Source addresses; null = none of this family. */
  readonly v4: IpAddress | null;
  readonly v6: IpAddress | null;
  /** What it reaches: all of a family, or the networks on its link. */
  readonly defaultV4: boolean;
  readonly defaultV6: boolean;
  readonly connected: readonly Prefix[];
}

export const MIN_WEIGHT = 10;
