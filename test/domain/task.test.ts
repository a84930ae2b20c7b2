import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { circuitOf } from '../../src/domain/circuit.ts';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { newTaskId, numberedTaskId, TASK_ID } from '../../src/domain/ids.ts';
import { keptResult, type TaskResult, taskError } from '../../src/domain/task.ts';

const result = (text: string): TaskResult => ({ text, usage: null, model: null, runId: null, durationMs: 1 });

describe('a result', () => {
  it('keeps a result of up to 1 MiB whole', () => {
    const whole = result('x'.repeat(1_048_576));
    expect(keptResult(whole)).toBe(whole);
  });

  it('cuts a longer result to 1 MiB between characters, and says so', () => {
    for (const text of ['x'.repeat(1_048_577), 'é'.repeat(700_000), '😀'.repeat(300_000)]) {
      const kept = keptResult(result(text)).text;
      expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(1_048_576);
      expect(kept).toMatch(/\[cut here by clawmesh: the answer had \d+ bytes, of which 1048576 are kept\]$/);
      expect(kept).not.toContain('\ufffd');
      expect(text.startsWith(kept.slice(0, 100_000))).toBe(true);
    }
  });
});

describe('numbered ids', () => {
  it('makes distinct task ids that sort by their number', () => {
    const base = newTaskId();
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1), (a, b) => {
        const [first, second] = [numberedTaskId(base, a), numberedTaskId(base, b)];
        return TASK_ID.test(first) && Math.sign(first.localeCompare(second)) === Math.sign(a - b);
      }),
    );
  });

  it('makes ids of a batch that end differently, and always the same ones', () => {
    const base = newTaskId();
    const ids = () => Array.from({ length: 100 }, (_, n) => numberedTaskId(base, n));
    expect(ids()).toEqual(ids());
    expect(new Set(ids().map((id) => id.slice(-3))).size).toBeGreaterThan(95);
    expect(numberedTaskId(newTaskId(), 7)).not.toBe(numberedTaskId(base, 7));
  });
});

describe('the circuit of a task', () => {
  it.each([
    [{}, 'default'],
    [{ agent: 'coder' }, 'agent:coder'],
    [{ model: 'fake/echo' }, 'fake/echo'],
    [{ agent: 'coder', model: 'fake/echo' }, 'fake/echo'],
  ])('assigns the task %j to the circuit %s', (fields, circuit) =>
    expect(circuitOf({ message: '', tags: {}, ...fields })).toBe(circuit),
  );
});

describe('error kinds', () => {
  it('says of each error kind whether another attempt may succeed', () => {
    const retryable = (kinds: readonly ErrorKind[]) => kinds.map((kind) => taskError(kind, '').retryable);
    expect(retryable(['auth', 'invalid', 'handover_limit', 'cancelled'])).toEqual(Array(4).fill(false));
    expect(retryable(['provider', 'timeout', 'crash', 'rate_limit', 'unknown'])).toEqual(Array(5).fill(true));
  });
});
