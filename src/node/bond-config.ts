// What the configuration file says of bonds: keys of [Interface], and the [Uplink] sections. docs/bond.md explains them.

import { parseClassRule } from '../bond/class-rules.js';
import { parseQuota } from '../bond/quota.js';
import { MIN_WEIGHT, type UplinkSettings } from '../bond/uplink.js';
import { parseDecimal } from '../core/address.js';
import type { BondClassRule, BondMode } from '../core/bond.js';
import { choice, type Keys, list, type Mutable, one, parseBoolean } from './config-keys.js';

export interface BondConfig {
  readonly enabled: boolean;
  readonly mode: BondMode;
  readonly repair: boolean;
  readonly rules: readonly BondClassRule[];
  /** `auto`: what the system has, as the sections describe it; `listed`: the sections alone; null: listed if there are any. */
  readonly discovery: 'auto' | 'listed' | null;
  readonly uplinks: readonly UplinkSettings[];
}

export const BOND_DEFAULTS: BondConfig = {
  enabled: true,
  mode: 'aggregate',
  repair: true,
  rules: [],
  discovery: null,
  uplinks: [],
};

/** An [Uplink] as it begins. */
export const NO_UPLINK: UplinkSettings = { name: '', role: 'normal', weight: 100, quota: null };

export interface BondDraft {
  bond: Mutable<BondConfig>;
}

export interface UplinkDraft {
  uplink: Mutable<UplinkSettings> | null;
}

function parseSwitch(text: string): boolean | null {
  if (text === 'on' || text === 'off') return text === 'on';
  return parseBoolean(text);
}

export const BOND_KEYS: Keys<BondDraft> = {
  Bond: one('on or off', parseSwitch, ({ bond }, value) => {
    bond.enabled = value;
  }),
  BondMode: one(
    'aggregate, latency or redundant',
    choice('aggregate', 'latency', 'redundant'),
    ({ bond }, value) => {
      bond.mode = value;
    },
  ),
  BondRepair: one('yes or no', parseBoolean, ({ bond }, value) => {
    bond.repair = value;
  }),
  BondClass: list(
    'latency, sparse or bulk, then any of: tcp or udp, port N or N-M, dscp NAME, size BYTES',
    parseClassRule,
    ({ bond }, values) => {
      bond.rules = [...bond.rules, ...values];
    },
  ),
  Uplinks: one(
    'auto (what the system has) or listed (the [Uplink] sections alone)',
    choice('auto', 'listed'),
    ({ bond }, value) => {
      bond.discovery = value;
    },
  ),
};

export const UPLINK_KEYS: Keys<UplinkDraft> = {
  Interface: one(
    'the name of a network interface, such as eth0',
    (text) => (/^[^/:\s]{1,15}$/.test(text) ? text : null),
    ({ uplink }, value) => {
      if (uplink) uplink.name = value;
    },
  ),
  Role: one(
    'normal, backup, metered or off',
    choice('normal', 'backup', 'metered', 'off'),
    ({ uplink }, value) => {
      if (uplink) uplink.role = value;
    },
  ),
  Quota: one('an amount a day or month, such as 50GB/month', parseQuota, ({ uplink }, value) => {
    if (uplink) uplink.quota = value;
  }),
  Weight: one(
    `${MIN_WEIGHT} to 100 per cent`,
    (text) => {
      const value = parseDecimal(text, 100);
      return value !== null && value >= MIN_WEIGHT ? value : null;
    },
    ({ uplink }, value) => {
      if (uplink) uplink.weight = value;
    },
  ),
};

/** What is wrong with an [Uplink] beside those above it; null = nothing. */
export function uplinkMistake(
  uplink: UplinkSettings,
  earlier: readonly UplinkSettings[],
): string | null {
  if (uplink.name === '') return 'an [Uplink] without Interface: add it';
  if (earlier.some(({ name }) => name === uplink.name)) {
    return `a second [Uplink] of ${uplink.name}: join the two`;
  }
  if (uplink.role === 'metered' && uplink.quota === null) {
    return `${uplink.name} is metered and has no Quota: add one, such as Quota = 50GB/month`;
  }
  return null;
}
