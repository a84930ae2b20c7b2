const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Decimal, as disks and `df -H` count: 5GB is 5,000,000,000 bytes. */
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/**
 * Longest accepted duration, ms: ten years. BullMQ stores the time of a delayed task in 41 bits, which end in 2039, and
 * `Date` and Lua stay exact as well.
 */
export const MAX_DURATION_MS = 3_650 * 86_400_000;

export const DURATION_HINT = 'a duration such as 500ms, 30s, 10m, 2h or 7d, at most 3650d';
export const SIZE_HINT = 'a size such as 500MB or 5GB';

/**
 * Parses a duration (`500ms`, `1.5s`, `10m`, `2h`, `7d`) to ms. A bare number other than 0 has no unit and is refused.
 * Returns undefined if the text is not a duration, or is longer than {@link MAX_DURATION_MS}.
 */
export function parseDuration(text: string): number | undefined {
  if (text.trim() === '0') return 0;
  const ms = parseWithUnit(text, /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/, DURATION_MS);
  return ms !== undefined && ms <= MAX_DURATION_MS ? ms : undefined;
}

/** Parses a size (`5GB`) to bytes; undefined if the text is not a size. */
export function parseSize(text: string): number | undefined {
  return parseWithUnit(text.toUpperCase(), /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)$/, SIZE_BYTES);
}

function parseWithUnit(text: string, pattern: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const [, amount, unit] = pattern.exec(text.trim()) ?? [];
  if (amount === undefined || unit === undefined) return undefined;
  return Math.round(Number(amount) * (units[unit] ?? Number.NaN));
}

/** The shortest exact text for `ms`, the inverse of {@link parseDuration}. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  const exact = Object.entries(DURATION_MS)
    .reverse()
    .find(([, factor]) => ms % factor === 0);
  return exact ? `${ms / exact[1]}${exact[0]}` : `${ms}ms`;
}

/** The shortest exact text for `bytes`, the inverse of {@link parseSize}. */
export function formatSize(bytes: number): string {
  const exact = Object.entries(SIZE_BYTES)
    .reverse()
    .find(([, factor]) => bytes % factor === 0);
  return exact ? `${bytes / exact[1]}${exact[0]}` : `${bytes}B`;
}

/** A duration for people: `3.2s`, `4m 10s`, `2h 5m`, `3d 4h`. */
export function humanDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return joinParts(minutes, 'm', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joinParts(hours, 'h', minutes % 60, 'm');
  return joinParts(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function joinParts(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit} ${small}${smallUnit}`;
}
