import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { type ErrorKind, type Outcome, taskError } from '../../src/domain/task.ts';
import { FailureStreak } from '../../src/node/failure-streak.ts';
import { GateBackoff } from '../../src/node/gate-backoff.ts';
import { LoginWatch } from '../../src/node/login-watch.ts';
import type { NodeRegistry } from '../../src/registry/node-registry.ts';
import { success } from '../support/pool.ts';

const claim = (taskId: string): Claim => ({
  taskId,
  pool: 'default',
  token: `n~1:${taskId}`,
  spec: { message: 'x', tags: {} },
  attempt: 1,
  maxAttempts: 3,
  handovers: 0,
  holds: 0,
  refusedOn: null,
  claimedAt: 0,
  readyAt: 0,
});
const failed = (kind: ErrorKind): Outcome => ({ ok: false, error: taskError(kind, 'what\nnow') });

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a gate that the node’s own runs have closed', () => {
  const open = (check?: () => Promise<string | null | undefined>) => {
    const changes: string[] = [];
    const gate: GateBackoff = new GateBackoff({
      firstMs: 1_000,
      mostMs: 3_000,
      onChange: () => changes.push(gate.reason ?? (gate.isTrying ? 'trying' : 'open')),
      ...(check && { check }),
    });
    return { gate, changes };
  };
  const why = (pauseMs: number) => `closed for ${pauseMs}`;

  it('lets one task at a time try after a pause, and opens once that has succeeded', async () => {
    const { gate, changes } = open();
    gate.close(why);
    expect(gate.reason).toBe('closed for 1000');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(gate.mayBegin(['old'])).toBe(true);
    gate.began('t1');
    expect(gate.mayBegin(['old', 't1'])).toBe(false);
    gate.succeeded('old');
    expect(gate.isTrying).toBe(true);
    gate.succeeded('t1');
    expect(gate.mayBegin(['old', 't1'])).toBe(true);
    expect(changes).toEqual(['closed for 1000', 'trying', 'open']);
  });

  it('lets the next one try where the first ended without a word', async () => {
    const { gate } = open();
    gate.close(why);
    await vi.advanceTimersByTimeAsync(1_000);
    gate.began('t1');
    expect(gate.mayBegin([])).toBe(true);
  });

  it('closes for twice as long each time that one has tried in vain, up to the longest', async () => {
    const { gate, changes } = open();
    for (const pause of [1_000, 2_000, 3_000, 3_000]) {
      gate.close(why);
      gate.close(why);
      await vi.advanceTimersByTimeAsync(pause - 1);
      expect(gate.reason).toBe(`closed for ${pause}`);
      await vi.advanceTimersByTimeAsync(1);
      expect(gate.isTrying).toBe(true);
    }
    gate.began('t1');
    gate.succeeded('t1');
    gate.close(why);
    expect(changes.at(-1)).toBe('closed for 1000');
  });

  it('risks no task while a check says that it would be in vain', async () => {
    let trouble: string | null = 'no login';
    const { gate } = open(async () => trouble);
    gate.close(why);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(gate.reason).toBe('closed for 1000');
    trouble = null;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(gate.isTrying).toBe(true);
  });

  it('stays as it is once it is stopped', async () => {
    const { gate, changes } = open();
    gate.close(why);
    gate.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    gate.close(why);
    expect(changes).toEqual(['closed for 1000']);
  });
});

describe('tasks that fail for reasons that nobody knows', () => {
  it.each(['unknown', 'crash'] as const)('close the gate once five different ones have, in a row (%s)', (kind) => {
    const streak = new FailureStreak(() => {});
    for (const id of ['1', '2', '3', '4', '4', '3', '2']) streak.ended(claim(id), failed(kind));
    expect(streak.backoff.reason).toBeUndefined();
    streak.ended(claim('5'), failed(kind));
    expect(streak.backoff.reason).toMatch(/different tasks in a row .*: what now\. Tries one task again every 30s/);
    streak.backoff.stop();
  });

  it('do not where one has succeeded meanwhile, or the provider or the task was to blame', () => {
    const streak = new FailureStreak(() => {});
    for (let i = 0; i < 20; i++) {
      const kinds = ['provider', 'rate_limit', 'invalid', 'auth', 'timeout', 'cancelled'] as const;
      streak.ended(claim(`a${i}`), failed(kinds[i % kinds.length] as ErrorKind));
      streak.ended(claim(`b${i}`), failed('unknown'));
      if (i % 4 === 3) streak.ended(claim(`c${i}`), success);
    }
    expect(streak.backoff.reason).toBeUndefined();
  });

  it('close it again at once where the first that tries fails so, and open it where that succeeds', async () => {
    const streak = new FailureStreak(() => {});
    for (let i = 0; i < 5; i++) streak.ended(claim(`t${i}`), failed('unknown'));
    await vi.advanceTimersByTimeAsync(30_000);
    streak.backoff.began('t5');
    streak.ended(claim('t5'), failed('unknown'));
    expect(streak.backoff.reason).toMatch(/every 1m/);
    await vi.advanceTimersByTimeAsync(60_000);
    streak.backoff.began('t6');
    streak.ended(claim('t6'), success);
    for (let i = 0; i < 4; i++) streak.ended(claim(`t${i}`), failed('unknown'));
    expect([streak.backoff.reason, streak.backoff.isTrying]).toEqual([undefined, false]);
  });
});

describe('a login that was refused', () => {
  const claim = (pool: string) => ({ pool, spec: { message: 'hello', tags: {} } });
  const watch = (others: { id: string; state: string; pools: object }[], simulated = false) =>
    new LoginWatch({
      registry: { list: async () => others } as unknown as NodeRegistry,
      nodeId: 'n',
      simulated,
      onChange: () => {},
    });

  it('closes the gate though no other node could run the tasks, and says who could', async () => {
    const alone = watch([]);
    expect(await alone.refused(claim('default'), 'HTTP 401')).toBe(false);
    expect(alone.backoff.reason).toMatch(/HTTP 401.*log in to OpenClaw here/);
    const two = watch([{ id: 'm', state: 'up', pools: { default: {} } }]);
    expect(await two.refused(claim('default'), 'HTTP 401')).toBe(true);
    expect(await two.refused(claim('xcode'), 'HTTP 401')).toBe(false);
    for (const { backoff } of [alone, two]) backoff.stop();
  });

  it('does not where runs are simulated and the node is alone', async () => {
    const simulated = watch([], true);
    expect(await simulated.refused(claim('default'), 'x')).toBe(false);
    expect(simulated.backoff.reason).toBeUndefined();
  });
});
