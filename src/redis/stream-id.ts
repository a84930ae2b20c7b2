/** The largest second part of a stream id: 64 bits. */
const MOST = 2n ** 64n - 1n;

/** The id right after this one. Redis 6.0 has no exclusive ranges. */
export function idAfter(id: string): string {
  const [ms, n] = partsOf(id);
  return n < MOST ? `${ms}-${n + 1n}` : `${ms + 1n}-0`;
}

/** The id right before this one; invalid for the smallest possible id. */
export function idBefore(id: string): string {
  const [ms, n] = partsOf(id);
  return n > 0n ? `${ms}-${n - 1n}` : `${ms - 1n}-${MOST}`;
}

function partsOf(id: string): [bigint, bigint] {
  const [ms = '0', n = '0'] = id.split('-');
  return [BigInt(ms), BigInt(n)];
}
