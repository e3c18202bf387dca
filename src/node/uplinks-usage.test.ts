import { beforeEach, describe, expect, test } from 'vitest';
import type { Usage } from '../bond/quota.js';
import { NO_UPLINK } from './bond-config.js';
import { UplinkUsage } from './uplinks-usage.js';

const LTE = {
  ...NO_UPLINK,
  name: 'wwan0',
  role: 'metered' as const,
  quota: { bytes: 1_000_000, period: 'month' as const },
};

let disk: Map<string, Usage>;
let writes: number;
let broken: boolean;
let errors: number;
let nowMs: number;
let today: string;

beforeEach(() => {
  disk = new Map();
  writes = 0;
  broken = false;
  errors = 0;
  nowMs = 0;
  today = '2025-11-30';
});

function open(): UplinkUsage {
  return new UplinkUsage({
    store: {
      readUsage: () => new Map(disk),
      writeUsage: (usage) => {
        if (broken) throw new Error('no space left on device');
        writes++;
        disk = new Map(usage);
      },
    },
    log: { error: () => errors++ },
    nowMs: () => nowMs,
    today: () => today,
  });
}

describe('what an uplink carries', () => {
  test('survives a restart', () => {
    const before = open();
    before.add(LTE, 600_000);
    before.save();
    expect(open().used(LTE)).toBe(600_000);
  });

  test('spends its quota, and a new month gives it back', () => {
    const usage = open();
    usage.add(LTE, 999_999);
    expect(usage.spent(LTE)).toBeNull();
    usage.add(LTE, 1);
    expect(usage.spent(LTE)).toBe('the quota of wwan0 (1MB/month) is spent until next month');
    today = '2025-12-01';
    expect(usage.spent(LTE)).toBeNull();
    expect(usage.used(LTE)).toBe(0);
  });

  test('is saved once a minute, and not when nothing was carried', () => {
    const usage = open();
    for (nowMs = 0; nowMs < 180_000; nowMs += 1_000) usage.add(LTE, 10);
    expect(writes).toBe(2);
    usage.save();
    usage.save();
    expect(writes).toBe(3);
  });

  test('is counted on a full disk, which is said', () => {
    const usage = open();
    broken = true;
    usage.add(LTE, 1_000_000);
    usage.save();
    expect(errors).toBe(1);
    expect(usage.spent(LTE)).not.toBeNull();
  });

  test('is not counted without a quota', () => {
    const usage = open();
    usage.add(NO_UPLINK, 5);
    expect(usage.used(NO_UPLINK)).toBeNull();
    usage.save();
    expect(writes).toBe(0);
  });
});
