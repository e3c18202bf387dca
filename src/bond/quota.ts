// How much an uplink may carry in a day or a month, and how much it has.

export interface Quota {
  readonly bytes: number;
  readonly period: 'day' | 'month';
}

const UNITS: Readonly<Record<string, number>> = {
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** "50GB/month", "500MB/day"; null if it is none. */
export function parseQuota(text: string): Quota | null {
  const match = /^([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([MGT]i?B)\/(day|month)$/i.exec(text);
  const unit = Object.keys(UNITS).find((each) => each.toLowerCase() === match?.[2]?.toLowerCase());
  const bytes = Math.round(Number(match?.[1]) * (UNITS[unit ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes <= 0) return null;
  return { bytes, period: match?.[3]?.toLowerCase() === 'day' ? 'day' : 'month' };
}

export function formatQuota({ bytes, period }: Quota): string {
  const unit = ['TB', 'GB', 'MB'].find((each) => bytes >= (UNITS[each] ?? 0)) ?? 'MB';
  return `${Number((bytes / (UNITS[unit] ?? 1)).toFixed(3))}${unit}/${period}`;
}

/** What an uplink carried in the day and the month that it last carried something in. */
export interface Usage {
  /** ISO 8601: "2025-11-21". */
  readonly date: string;
  readonly dayBytes: number;
  readonly monthBytes: number;
}

/** @param date today, as ISO 8601 */
export function addUsage(usage: Usage | undefined, date: string, bytes: number): Usage {
  return {
    date,
    dayBytes: usedToday(usage, date) + bytes,
    monthBytes: usedThisMonth(usage, date) + bytes,
  };
}

/** Bytes of the quota's present period. */
export function usedOf({ period }: Quota, usage: Usage | undefined, date: string): number {
  return period === 'day' ? usedToday(usage, date) : usedThisMonth(usage, date);
}

function usedToday(usage: Usage | undefined, date: string): number {
  return usage?.date === date ? usage.dayBytes : 0;
}

function usedThisMonth(usage: Usage | undefined, date: string): number {
  const month = 'YYYY-MM'.length;
  return usage?.date.slice(0, month) === date.slice(0, month) ? usage.monthBytes : 0;
}
