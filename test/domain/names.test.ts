import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimToken, tokenOwner } from '../../src/domain/claim.ts';
import { earliestOf, namedAt, newTaskId, TASK_ID } from '../../src/domain/ids.ts';
import { NODE_ID, nearest, POOL_NAME } from '../../src/domain/names.ts';

describe('names', () => {
  it.each(['default', 'xcode', 'a', 'mac_2-x'])('accepts %j as a pool', (name) => expect(name).toMatch(POOL_NAME));
  it.each(['with space', 'Upper', '-x', 'a:b', '', 'a'.repeat(64), 'ü'])('refuses %j as a pool', (name) =>
    expect(name).not.toMatch(POOL_NAME),
  );
  it.each(['mac~1', 'mac:1', '', '.x'])('refuses %j as a node id', (id) => expect(id).not.toMatch(NODE_ID));

  it('suggests the nearest name for a misspelling, and nothing for an unrelated word', () => {
    expect(nearest('visibilityTimout', ['taskTimeout', 'visibilityTimeout'])).toBe('visibilityTimeout');
    expect(nearest('foo', ['log', 'mesh'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
  });
});

describe('a claim token', () => {
  it('names its owner, whatever characters the node id contains', () => {
    fc.assert(
      fc.property(fc.stringMatching(NODE_ID), fc.nat(), fc.nat(), (nodeId, incarnation, n) => {
        expect(tokenOwner(claimToken({ nodeId, incarnation }, n))).toEqual({ nodeId, incarnation });
      }),
    );
  });

  it('is never a prefix of the token of another incarnation', () => {
    expect(claimToken({ nodeId: 'n1', incarnation: 10 }, 0).startsWith('n1~1:')).toBe(false);
  });

  it('finds no owner in a token that another program made', () => {
    expect(tokenOwner('3d1f0a0e-uuid:4')).toBeUndefined();
  });
});

describe('task ids', () => {
  it('makes unique task ids that sort by creation time', () => {
    const ids = Array.from({ length: 1_000 }, newTaskId);
    expect(new Set(ids).size).toBe(1_000);
    expect([...ids].sort()).toEqual(ids);
    expect(ids.every((id) => TASK_ID.test(id))).toBe(true);
  });

  it('makes consecutive ids that end differently', () => {
    const ends = Array.from({ length: 100 }, () => newTaskId().slice(-4));
    expect(new Set(ends).size).toBeGreaterThan(95);
  });

  it('knows the earliest time of an id that begins so', () => {
    const id = newTaskId();
    expect(earliestOf(id)).toBe(namedAt(id));
    expect(earliestOf(id.slice(0, 10))).toBe(namedAt(id));
    for (const length of [1, 4, 9]) expect(earliestOf(id.slice(0, length))).toBeLessThanOrEqual(namedAt(id) ?? 0);
    for (const text of ['', '01kbu', 'repeat:x', '8zzz'])
      expect([text, earliestOf(text)]).toEqual([text, text === '' ? 0 : undefined]);
  });
});
