/** Percentiles of some durations, ms. */
export interface Percentiles {
  /** Half of the durations are not longer. */
  readonly p50: number;
  /** 95 % are not longer. */
  readonly p95: number;
  /** 99 % are not longer. */
  readonly p99: number;
}

/** The percentiles by nearest rank, so each is one of the durations; null for no durations. */
export function percentilesOf(durations: readonly number[]): Percentiles | null {
  const sorted = durations.toSorted((a, b) => a - b);
  const [least] = sorted;
  if (least === undefined) return null;
  const at = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? least;
  return { p50: at(50), p95: at(95), p99: at(99) };
}
