// Figures and tables for people.

/** Columns padded to their widest cell, two spaces between; no trailing space. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows
    .map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

const DAY = 86_400;

/** "41s", "2m03s", "3h07m", "3d4h". */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}s`;
  if (whole < DAY) return `${Math.floor(whole / 3600)}h${pad(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / DAY)}d${Math.floor((whole % DAY) / 3600)}h`;
}

/** "0", "512", "9.1k", "4.2G": powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)}${units[unit]}`;
}

/** "0bit/s", "850kbit/s", "38Mbit/s": bits per second, powers of 1000. */
export function formatRate(bitsPerSecond: number): string {
  return `${formatBytes(bitsPerSecond)}bit/s`;
}

/** "0.42ms", "8.1ms", "112ms"; "-" if there is none. */
export function formatMs(ms: number | null): string {
  if (ms === null) return '-';
  return `${ms < 1 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)}ms`;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: DAY, y: 365 * DAY };

/** "90s", "30m", "24h", "7d", "2y" to seconds; null if it is none. */
export function parseDuration(text: string): number | null {
  const match = /^([0-9]{1,9})([smhdy])$/.exec(text);
  const seconds = Number(match?.[1]) * (UNITS[match?.[2] ?? ''] ?? Number.NaN);
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds : null;
}
