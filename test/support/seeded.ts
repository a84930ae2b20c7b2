/** The same values in a random order. */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const keyed = values.map((value): [number, T] => [random(), value]);
  return keyed.sort(([a], [b]) => a - b).map(([, value]) => value);
}

/** Random numbers from 0 to 1, the same for the same seed everywhere (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
