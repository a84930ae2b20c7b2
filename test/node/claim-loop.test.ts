import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { Outcome } from '../../src/domain/task.ts';
import { AttemptRun } from '../../src/node/attempt-run.ts';
import { ClaimLoop } from '../../src/node/claim-loop.ts';
import { Journal } from '../../src/node/journal.ts';
import { NO_OBSERVER } from '../../src/node/observer.ts';
import { Slots } from '../../src/node/slots.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import type { Runner } from '../../src/runners/runner.ts';
import { SimulateRunner } from '../../src/runners/simulate.ts';
import { emptyFolder } from '../support/folders.ts';

const claimOf = (taskId: string, token: string): Claim => ({
  taskId,
  token,
  pool: 'default',
  spec: { message: 'hello', tags: {} },
  attempt: 1,
  maxAttempts: 3,
  handovers: 0,
  holds: 0,
  refusedOn: null,
  readyAt: 0,
  claimedAt: 0,
});

/** A loop whose queue only has what a reconnect brings to light, and tasks that are held, by their reasons. */
async function loopOf(found: Claim[][], held = new Map<string, string[]>()) {
  const interrupted = Promise.withResolvers<boolean>();
  const runs: string[] = [];
  const reports: { taskId: string; outcome: Outcome }[] = [];
  const queue = {
    pool: 'default',
    recover: async () => found.shift() ?? [],
    report: async ({ taskId }: Claim, outcome: Outcome) => {
      reports.push({ taskId, outcome });
      return { settled: 'completed', next: undefined };
    },
    log: async () => {},
    fillIn: async ({ spec }: Claim) => spec.message,
    claim: async () => undefined,
    claimHeld: async (why: string) => {
      const taskId = held.get(why)?.shift();
      return taskId === undefined ? undefined : claimOf(taskId, `n~1:${taskId}`);
    },
    waitForWork: () => interrupted.promise,
    interrupt: async () => interrupted.resolve(false),
  } as unknown as PoolQueue;
  const simulate = new SimulateRunner({ clock: systemClock });
  const runner = {
    run: (...args: Parameters<Runner['run']>) => {
      runs.push(args[0].taskId);
      return simulate.run(...args);
    },
  } as unknown as Runner;
  const log = pino({ level: 'silent' });
  const journal = await Journal.open(emptyFolder(), log);
  const loop = new ClaimLoop({
    queue,
    concurrency: 2,
    slots: new Slots({ total: 2, weightOf: () => 1 }),
    pressure: () => 1,
    log,
    gatesOpen: () => true,
    onFenced: () => {},
    onRunsChanged: () => {},
    createRun: (claim, nextOffer, outcome) =>
      new AttemptRun({
        claim,
        outcome,
        queue,
        runner,
        journal,
        observer: NO_OBSERVER,
        log,
        nodeId: 'n',
        defaultTimeoutMs: 60_000,
        defaultIdleTimeoutMs: 60_000,
        visibilityTimeoutMs: 60_000,
        mask: (text) => text,
        maskAnswer: (text) => text,
        nextOffer,
        onLoginRefused: async () => false,
        onFenced: () => {},
      }),
  });
  return { loop, runs, reports };
}

describe('after a reconnect, a claim loop', () => {
  it('begins the run of a claim that it never heard of', async () => {
    const { loop, runs, reports } = await loopOf([[claimOf('t1', 'n~1:1')]]);
    await loop.recover();
    await loop.idle();
    expect(runs).toEqual(['t1']);
    expect(reports).toMatchObject([{ taskId: 't1', outcome: { ok: true } }]);
  });

  it('reports once more, and runs nothing again, what Redis took and then forgot', async () => {
    const claim = claimOf('t1', 'n~1:1');
    const { loop, runs, reports } = await loopOf([[claim]]);
    loop.take(claim, undefined);
    await loop.idle();
    await loop.recover();
    await loop.idle();
    expect(runs).toEqual(['t1']);
    expect(reports).toHaveLength(2);
    expect(reports[1]).toEqual(reports[0]);
  });

  it('runs a later claim of the same task all the same', async () => {
    const { loop, runs } = await loopOf([[claimOf('t1', 'n~1:2')]]);
    loop.take(claimOf('t1', 'n~1:1'), undefined);
    await loop.idle();
    await loop.recover();
    await loop.idle();
    expect(runs).toEqual(['t1', 't1']);
  });

  it('gives no task the outcome of another one that had a token of the same text', async () => {
    const { loop, runs, reports } = await loopOf([[claimOf('t2', 'n~1:1')]]);
    loop.take(claimOf('t1', 'n~1:1'), undefined);
    await loop.idle();
    await loop.recover();
    await loop.idle();
    expect(runs).toEqual(['t1', 't2']);
    expect(reports.map(({ taskId }) => taskId)).toEqual(['t1', 't2']);
  });
});

describe('a claim loop with tasks that are held for its node', () => {
  it('takes them in turns of their reasons, so that none waits for the end of another', async () => {
    const held = new Map([
      ['node:n', ['n1', 'n2', 'n3']],
      ['require:gpu=yes', ['g1', 'g2']],
    ]);
    const { loop, runs, reports } = await loopOf([], held);
    await loop.takeHeld([...held.keys()]);
    await loop.takeHeld([...held.keys()]);
    loop.start();
    await expect.poll(() => reports.length).toBe(5);
    await loop.stopClaiming();
    expect(runs).toEqual(['n1', 'g1', 'n2', 'g2', 'n3']);
  });
});
