/** Durations and sizes as an operator writes them: `500ms`, `2s`, `64MiB`. */

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizeUnits = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** The form of a duration, for JSON Schema. */
export const durationPattern = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$';
/** The form of a size, for JSON Schema. */
export const sizePattern = '^\\d+(\\.\\d+)?(B|KiB|MiB|GiB)$';

/** `1.5s` in ms (1500). Units: ms, s, m, h, d. Undefined for anything else, and where no whole ms come out. */
export function parseDuration(text: string): number | undefined {
  return parse(text, durationPattern, durationUnits);
}

/** `64MiB` in bytes. Units: B, KiB, MiB, GiB. Undefined for anything else, and where no whole bytes come out. */
export function parseSize(text: string): number | undefined {
  return parse(text, sizePattern, sizeUnits);
}

/** Whole ms in the largest unit that keeps the number whole: `90s`, `500ms`, `1d`. */
export function formatDuration(ms: number): string {
  return format(ms, durationUnits, '0s');
}

/** Whole bytes in the largest unit that keeps the number whole: `64MiB`, `1500B`. */
export function formatSize(bytes: number): string {
  return format(bytes, sizeUnits, '0B');
}

function parse(text: string, pattern: string, units: Readonly<Record<string, number>>): number | undefined {
  if (text.length > 24 || !new RegExp(pattern).test(text)) return undefined;
  const [, number, unit] = /^([\d.]+)(\w+)$/.exec(text) ?? [];
  // 0.1 * 3 is not 0.3 in doubles: what is within a billionth of a whole number was meant to be one.
  const value = Number(number) * (units[unit ?? ''] ?? Number.NaN);
  const whole = Math.round(value);
  return Number.isSafeInteger(whole) && Math.abs(value - whole) <= 1e-9 * Math.max(1, whole)
    ? whole
    : undefined;
}

function format(value: number, units: Readonly<Record<string, number>>, zero: string): string {
  if (value === 0) return zero;
  let best = '';
  for (const [unit, factor] of Object.entries(units)) {
    if (value % factor === 0) best = `${value / factor}${unit}`;
  }
  return best;
}
