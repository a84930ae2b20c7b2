/** The largest second part of a stream's ids: 64 bits. */
const MOST = 2n ** 64n - 1n;

/** The id right after this one. Redis 6.0 knows no ranges without their ends. */
export function idAfter(id: string): string {
  const [ms, n] = partsOf(id);
  return n < MOST ? `${ms}-${n + 1n}` : `${ms + 1n}-0`;
}

/** The id right before this one, which is not the first of all. */
export function idBefore(id: string): string {
  const [ms, n] = partsOf(id);
  return n > 0n ? `${ms}-${n - 1n}` : `${ms - 1n}-${MOST}`;
}

function partsOf(id: string): [bigint, bigint] {
  const [ms = '0', n = '0'] = id.split('-');
  return [BigInt(ms), BigInt(n)];
}
