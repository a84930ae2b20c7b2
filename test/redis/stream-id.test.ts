import { describe, expect, it } from 'vitest';
import { idAfter, idBefore } from '../../src/redis/stream-id.ts';

describe('ids of a stream', () => {
  it.each([
    ['1700000000000-0', '1700000000000-1'],
    ['1700000000000-41', '1700000000000-42'],
    ['1700000000000-18446744073709551614', '1700000000000-18446744073709551615'],
    ['1700000000000-18446744073709551615', '1700000000001-0'],
  ])('places %s right before %s', (id, next) => {
    expect(idAfter(id)).toBe(next);
    expect(idBefore(next)).toBe(id);
  });
});
