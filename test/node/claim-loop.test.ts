import { expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { Outcome } from '../../src/domain/task.ts';
import { AttemptRun } from '../../src/node/attempt-run.ts';
import { ClaimLoop } from '../../src/node/claim-loop.ts';
import { Slots } from '../../src/node/slots.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import { aClaim, testRunContext } from '../support/run-context.ts';

/** How long a run of these tests takes, ms. */
const RUN_MS = 50;

const claimOf = (taskId: string, token: string) => aClaim(taskId, { token });

/** A loop whose queue only has what a reconnect brings to light, and tasks that are held, by their reasons. */
function loopOf(found: Claim[][], held = new Map<string, string[]>()) {
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
    renderMessage: async ({ spec }: Claim) => spec.message,
    claim: async () => undefined,
    claimHeld: async (why: string) => {
      const taskId = held.get(why)?.shift();
      return taskId === undefined ? undefined : claimOf(taskId, `n~1:${taskId}`);
    },
    waitForWork: () => interrupted.promise,
    interrupt: async () => interrupted.resolve(false),
  } as unknown as PoolQueue;
  const context = testRunContext();
  const { clock, log, events } = context;
  const loop = new ClaimLoop({
    queue,
    concurrency: 2,
    slots: new Slots({ total: 2, weightOf: () => 1 }),
    pressure: () => 1,
    clock,
    log,
    events,
    mayClaim: () => true,
    createRun: (claim, nextOffer, outcome) => {
      if (!outcome) runs.push(claim.taskId);
      return new AttemptRun(context, { claim, outcome, queue, nextOffer });
    },
  });
  /** Resolves when the runs under way have ended. */
  const idle = async () => {
    await clock.advance(RUN_MS);
    await loop.idle();
  };
  return { loop, runs, reports, clock, idle };
}

it('begins the run of a claim whose reply was lost with the connection', async () => {
  const { loop, runs, reports, idle } = loopOf([[claimOf('t1', 'n~1:1')]]);
  await loop.recover();
  await idle();
  expect(runs).toEqual(['t1']);
  expect(reports).toMatchObject([{ taskId: 't1', outcome: { ok: true } }]);
});

it('reports an outcome again, without another run, if Redis accepted and then lost it', async () => {
  const claim = claimOf('t1', 'n~1:1');
  const { loop, runs, reports, idle } = loopOf([[claim]]);
  loop.take(claim, undefined);
  await idle();
  await loop.recover();
  await idle();
  expect(runs).toEqual(['t1']);
  expect(reports).toHaveLength(2);
  expect(reports[1]).toEqual(reports[0]);
});

it('runs a later claim of a task whose outcome it remembers', async () => {
  const { loop, runs, idle } = loopOf([[claimOf('t1', 'n~1:2')]]);
  loop.take(claimOf('t1', 'n~1:1'), undefined);
  await idle();
  await loop.recover();
  await idle();
  expect(runs).toEqual(['t1', 't1']);
});

it('keeps the outcomes of two tasks with the same token apart', async () => {
  const { loop, runs, reports, idle } = loopOf([[claimOf('t2', 'n~1:1')]]);
  loop.take(claimOf('t1', 'n~1:1'), undefined);
  await idle();
  await loop.recover();
  await idle();
  expect(runs).toEqual(['t1', 't2']);
  expect(reports.map(({ taskId }) => taskId)).toEqual(['t1', 't2']);
});

it('claims held tasks of all reasons in turn, so that no reason starves another', async () => {
  const held = new Map([
    ['node:n', ['n1', 'n2', 'n3']],
    ['require:gpu=yes', ['g1', 'g2']],
  ]);
  const { loop, runs, reports, clock } = loopOf([], held);
  await loop.claimHeld([...held.keys()]);
  await loop.claimHeld([...held.keys()]);
  loop.start();
  await clock.advance(3 * RUN_MS);
  expect(reports).toHaveLength(5);
  await loop.stopClaiming();
  expect(runs).toEqual(['n1', 'g1', 'n2', 'g2', 'n3']);
});
