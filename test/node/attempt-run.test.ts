import { ReplyError } from 'ioredis';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { Offer } from '../../src/domain/dispatch.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { type Outcome, taskError } from '../../src/domain/task.ts';
import { AttemptRun, type NextOffer } from '../../src/node/attempt-run.ts';
import { Journal } from '../../src/node/journal.ts';
import { guarded, NO_OBSERVER, type NodeObserver } from '../../src/node/observer.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import type { Runner, RunRequest, RunResult } from '../../src/runners/runner.ts';
import { emptyFolder } from '../support/folders.ts';
import { idleOffer } from '../support/pool.ts';
import { aClaim, testRunContext } from '../support/run-context.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const DAY_MS = 86_400_000;

type Reply = Error | 'ok';

/** A queue that replies to reports as it is told to, one after the other, and remembers them. */
class ScriptedQueue implements Partial<PoolQueue> {
  readonly pool = 'default';
  readonly reports: Outcome[] = [];
  readonly released: string[] = [];
  message: string | Error | undefined;
  readonly #reply: (outcome: Outcome, offer: Offer | undefined) => Reply;

  constructor(replies: Reply[] | ((outcome: Outcome, offer: Offer | undefined) => Reply) = []) {
    this.#reply = typeof replies === 'function' ? replies : () => replies.shift() ?? 'ok';
  }

  async report(_claim: Claim, outcome: Outcome, offer?: Offer) {
    this.reports.push(outcome);
    const reply = this.#reply(outcome, offer);
    if (reply !== 'ok') throw reply;
    return { settled: outcome.ok ? ('completed' as const) : ('failed' as const), next: undefined };
  }

  async release(claim: Claim) {
    this.released.push(claim.taskId);
    return true;
  }

  async log() {}

  async renderMessage({ spec }: Claim) {
    if (this.message instanceof Error) throw this.message;
    return this.message ?? spec.message;
  }
}

let journal: Journal;
beforeEach(async () => {
  // A clock of its own, which stands still: its disk is a real one.
  journal = await Journal.open(emptyFolder(), new VirtualClock(), pino({ level: 'silent' }));
});
afterEach(() => journal.close());

interface AttemptParts {
  readonly observer?: NodeObserver;
  readonly nextOffer?: NextOffer;
  readonly runner?: Runner;
  readonly claim?: Partial<Claim>;
  readonly timeoutMs?: number;
  readonly idleTimeoutMs?: number;
}

/** An attempt at a simulated task that says `message`. */
const attempt = (queue: ScriptedQueue, message: string, parts: AttemptParts = {}) => {
  const { observer = NO_OBSERVER, nextOffer = () => undefined, runner, timeoutMs, idleTimeoutMs } = parts;
  const context = testRunContext({ journal, observer, ...(runner && { runner }) });
  const claim = aClaim('t1', { spec: { message, tags: {}, timeoutMs, idleTimeoutMs }, ...parts.claim });
  const run = new AttemptRun(context, { claim, queue: queue as unknown as PoolQueue, nextOffer });
  return { run, clock: context.clock, emitted: context.emitted };
};
/** Runs it to its end, within `ms`. */
const finish = async ({ run, clock }: ReturnType<typeof attempt>, ms = 60_000) => {
  const done = run.run();
  await clock.advance(ms);
  return done;
};

it.each(['READONLY You can’t write against a read only replica.', 'OOM command not allowed', 'read ECONNRESET'])(
  'reports a success as a success even if Redis first replies %j',
  async (message) => {
    const queue = new ScriptedQueue([new Error(message), new Error(message), 'ok']);
    await finish(attempt(queue, 'sleep 1ms'));
    expect(queue.reports.map((outcome) => outcome.ok)).toEqual([true, true, true]);
    expect(journal.counts()).toEqual({ pending: 0, discarded: 0 });
  },
);

/** As ioredis has it from a script of ours that fails. */
const scriptError = () =>
  new ReplyError('ERR value is not an integer or out of range script: 1f2e, on @user_script:38.');

it('fails a task whose outcome Redis can never store after five tries, and keeps the outcome on disk', async () => {
  const queue = new ScriptedQueue((outcome) => (outcome.ok ? scriptError() : 'ok'));
  await finish(attempt(queue, 'sleep 1ms'));
  expect(queue.reports.filter(({ ok }) => ok)).toHaveLength(5);
  expect(queue.reports.at(-1)).toMatchObject({
    ok: false,
    error: { kind: 'unknown', retryable: false, message: expect.stringContaining('value is not an integer') },
  });
  expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
});

it('asks for no next task after Redis has refused a report, since the task may be the cause', async () => {
  const queue = new ScriptedQueue((_, offer) => (offer ? scriptError() : 'ok'));
  await finish(attempt(queue, 'sleep 1ms', { nextOffer: () => idleOffer }));
  expect(queue.reports.map(({ ok }) => ok)).toEqual([true, true]);
});

it('frees its slot even if Redis cannot store the failure either', async () => {
  const queue = new ScriptedQueue(() => scriptError());
  expect(await finish(attempt(queue, 'sleep 1ms'))).toBeUndefined();
  expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
});

it('repeats a report, with a growing pause, while Redis is away or full', async () => {
  const away = ["OOM command not allowed when used memory > 'maxmemory'.", 'LOADING Redis is loading', 'BUSY script'];
  const reportedAt: number[] = [];
  const queue = new ScriptedQueue(() => {
    reportedAt.push(started.clock.monotonic());
    return reportedAt.length === 10 ? 'ok' : new ReplyError(away[reportedAt.length % 3] ?? '');
  });
  const started = attempt(queue, 'sleep 1ms');
  await finish(started);
  expect(queue.reports.map(({ ok }) => ok)).toEqual(Array(10).fill(true));
  expect(reportedAt).toEqual([1, 101, 301, 701, 1_501, 3_101, 5_101, 7_101, 9_101, 11_101]);
});

it('reports and counts a run once even if its observer throws', async () => {
  const queue = new ScriptedQueue();
  const ends: string[] = [];
  const observer = {
    ...NO_OBSERVER,
    claimed: () => {
      throw new Error('no such label');
    },
    ended: (_: Claim, end: string) => {
      ends.push(end);
      throw new Error('It is not possible to decrease a counter');
    },
  };
  await finish(attempt(queue, 'sleep 1ms', { observer: guarded(observer, () => {}) }));
  expect([queue.reports.length, ends]).toEqual([1, ['completed']]);
});

it.each(['fenced', 'claim-lost'] as const)('counts a run as void if its report is refused as %s', async (code) => {
  const queue = new ScriptedQueue([new ClawmeshError(code, 'gone')]);
  const ends: string[] = [];
  await finish(attempt(queue, 'sleep 1ms', { observer: { ...NO_OBSERVER, ended: (_, end) => ends.push(end) } }));
  expect(ends).toEqual(['void']);
});

it('keeps the outcome of a run whose claim is lost as discarded', async () => {
  const queue = new ScriptedQueue([new ClawmeshError('claim-lost', 'gone')]);
  await finish(attempt(queue, 'sleep 1ms'));
  expect(queue.reports).toHaveLength(1);
  expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
});

it('tells the node that its incarnation is fenced if Redis refuses a report for that reason', async () => {
  const started = attempt(new ScriptedQueue([new ClawmeshError('fenced', 'replaced')]), 'sleep 1ms');
  await finish(started);
  expect(started.emitted).toContain('fenced');
});

it.each([20, 30 * DAY_MS])('fails as a timeout exactly at its deadline of %d ms', async (timeoutMs) => {
  const queue = new ScriptedQueue();
  const started = attempt(queue, 'sleep 31d', { timeoutMs, idleTimeoutMs: 40 * DAY_MS });
  const done = started.run.run();
  await started.clock.advance(timeoutMs - 1);
  expect(queue.reports).toEqual([]);
  await started.clock.advance(1);
  await done;
  expect(queue.reports).toMatchObject([{ ok: false, error: { kind: 'timeout', retryable: true } }]);
});

it.each([{ timeoutMs: 30 * DAY_MS }, { idleTimeoutMs: 30 * DAY_MS }, { timeoutMs: 3650 * DAY_MS }])(
  'runs to its end within %o',
  async (limits) => {
    const queue = new ScriptedQueue();
    await finish(attempt(queue, 'sleep 200ms', limits));
    expect(queue.reports).toMatchObject([{ ok: true }]);
  },
);

it('fails as a timeout after its idle timeout without a sign of life', async () => {
  const queue = new ScriptedQueue();
  await finish(attempt(queue, 'sleep 1h', { idleTimeoutMs: 1_000 }), 1_000);
  expect(queue.reports).toMatchObject([{ error: { kind: 'timeout', message: 'no sign of life for 1.0s' } }]);
});

it.each([
  ['fenced', []],
  ['claim-lost', []],
  ['release', ['t1']],
] as const)(
  'releases a run that is stopped for %s only if its claim is valid, and never reports it',
  async (reason, released) => {
    const queue = new ScriptedQueue();
    const { run } = attempt(queue, 'sleep 1h');
    const done = run.run();
    run.stop(reason);
    run.stop('deadline'); // the first reason counts
    await done;
    expect([queue.reports, queue.released]).toEqual([[], released]);
  },
);

it('reports a run that ended before it could be stopped', async () => {
  const queue = new ScriptedQueue();
  const started = attempt(queue, 'sleep 1ms');
  await finish(started);
  started.run.stop('release');
  expect(queue.reports).toMatchObject([{ ok: true }]);
});

/** A runner that ends every run with this result, and notes what it is asked for. */
const scriptedRunner = (result: RunResult) => {
  const runs: { readonly request: RunRequest; readonly aborted: boolean }[] = [];
  const runner: Partial<Runner> = {
    run: async (request, signal) => {
      runs.push({ request, aborted: signal.aborted });
      return result;
    },
  };
  return { runs, runner: runner as Runner };
};
const stopped = () => scriptedRunner({ ok: false, error: taskError('cancelled', 'stopped') });
/** A queue without the message of the task. */
const withoutMessage = () => {
  const queue = new ScriptedQueue();
  queue.message = new ClawmeshError('not-found', '{{result:t0}}: this task has no result, or it was removed');
  return queue;
};

it('releases a task whose run never began, without using up an attempt', async () => {
  const error = taskError('crash', 'the OpenClaw gateway is away: ECONNREFUSED');
  const queue = new ScriptedQueue();
  const { runner } = scriptedRunner({ ok: false, begun: false, error });
  await finish(attempt(queue, 'hello', { runner }));
  expect([queue.released, queue.reports]).toEqual([['t1'], []]);
});

it('stops the run of a previous incarnation if the message of its task is gone', async () => {
  const queue = withoutMessage();
  const { runs, runner } = stopped();
  await finish(attempt(queue, 'hello', { runner, claim: { resumes: 'boot' } }));
  expect(runs).toMatchObject([{ request: { taskId: 't1', resumes: 'boot' }, aborted: true }]);
  expect(queue.reports).toMatchObject([{ error: { kind: 'invalid' } }]);
});

it('stops nothing if the message is gone and no previous incarnation had the task', async () => {
  const queue = withoutMessage();
  const { runs, runner } = stopped();
  await finish(attempt(queue, 'hello', { runner }));
  expect([runs, queue.reports.length]).toEqual([[], 1]);
});

it('runs a probe without OpenClaw', async () => {
  const queue = new ScriptedQueue();
  const { runs, runner } = stopped();
  const spec = { message: 'sleep 1m', tags: {}, probe: true };
  const started = attempt(queue, 'hello', { runner, claim: { spec } });
  await finish(started);
  expect([runs, queue.reports, started.emitted]).toMatchObject([[], [{ ok: true }], []]);
});
