import { ReplyError } from 'ioredis';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { Offer } from '../../src/domain/dispatch.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import type { Outcome } from '../../src/domain/task.ts';
import { AttemptRun, type AttemptRunOptions } from '../../src/node/attempt-run.ts';
import { Journal } from '../../src/node/journal.ts';
import { guarded, NO_OBSERVER } from '../../src/node/observer.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import { SimulateRunner } from '../../src/runners/simulate.ts';
import { emptyFolder } from '../support/folders.ts';
import { idleOffer } from '../support/pool.ts';

const DAY_MS = 86_400_000;

/** A queue that answers reports as it is told to, one after the other, and remembers them. */
class ScriptedQueue implements Partial<PoolQueue> {
  readonly pool = 'default';
  readonly reports: Outcome[] = [];
  readonly handedBack: string[] = [];
  readonly #answer: (outcome: Outcome, offer: Offer | undefined) => Error | 'ok';

  constructor(answers: (Error | 'ok')[] | ((outcome: Outcome, offer: Offer | undefined) => Error | 'ok')) {
    this.#answer = typeof answers === 'function' ? answers : () => answers.shift() ?? 'ok';
  }

  async report(_claim: Claim, outcome: Outcome, offer?: Offer) {
    this.reports.push(outcome);
    const answer = this.#answer(outcome, offer);
    if (answer !== 'ok') throw answer;
    return { settled: outcome.ok ? ('completed' as const) : ('failed' as const), next: undefined };
  }

  async handBack(claim: Claim) {
    this.handedBack.push(claim.taskId);
    return true;
  }

  async log() {}

  async fillIn({ spec }: Claim) {
    return spec.message;
  }
}

describe('an attempt', () => {
  let journal: Journal;

  beforeEach(async () => {
    journal = await Journal.open(emptyFolder(), pino({ level: 'silent' }));
  });
  afterEach(() => journal.close());

  const attempt = (
    queue: ScriptedQueue,
    message: string,
    more: Partial<AttemptRunOptions> & { timeoutMs?: number; idleTimeoutMs?: number } = {},
  ) => {
    const claim: Claim = {
      taskId: 't1',
      pool: 'default',
      token: 'n~1:1',
      spec: { message, tags: {}, timeoutMs: more.timeoutMs, idleTimeoutMs: more.idleTimeoutMs },
      attempt: 1,
      maxAttempts: 3,
      handovers: 0,
      holds: 0,
      refusedOn: null,
      readyAt: 0,
      claimedAt: 0,
    };
    return new AttemptRun({
      claim,
      queue: queue as unknown as PoolQueue,
      runner: new SimulateRunner({ clock: systemClock }),
      nodeId: 'n',
      defaultTimeoutMs: 60_000,
      defaultIdleTimeoutMs: 60_000,
      mask: (text) => text,
      maskAnswer: (text) => text,
      onLoginRefused: async () => false,
      visibilityTimeoutMs: 60_000,
      log: pino({ level: 'silent' }),
      journal,
      observer: NO_OBSERVER,
      nextOffer: () => undefined,
      onFenced: () => {},
      ...more,
    });
  };

  it.each(['READONLY You can’t write against a read only replica.', 'OOM command not allowed', 'read ECONNRESET'])(
    'that ended well stays a success although Redis first answers %j',
    async (message) => {
      const queue = new ScriptedQueue([new Error(message), new Error(message), 'ok']);
      await attempt(queue, 'sleep 1ms').run();
      expect(queue.reports.map((outcome) => outcome.ok)).toEqual([true, true, true]);
      expect(journal.counts()).toEqual({ pending: 0, discarded: 0 });
    },
  );

  /** As ioredis has it from a script of ours that fails. */
  const scriptError = () =>
    new ReplyError('ERR value is not an integer or out of range script: 1f2e, on @user_script:38.');

  it('whose outcome Redis can never store fails after a few tries, and keeps the outcome on disk', async () => {
    const queue = new ScriptedQueue((outcome) => (outcome.ok ? scriptError() : 'ok'));
    const run = attempt(queue, 'sleep 1ms');
    await run.run();
    expect(queue.reports.filter(({ ok }) => ok).length).toBeLessThan(10);
    expect(queue.reports.at(-1)).toMatchObject({
      ok: false,
      error: { kind: 'unknown', retryable: false, message: expect.stringContaining('value is not an integer') },
    });
    expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
  });

  it('leaves the next task out of a report that Redis has refused: the fault may be in that', async () => {
    const queue = new ScriptedQueue((_, offer) => (offer ? scriptError() : 'ok'));
    await attempt(queue, 'sleep 1ms', { nextOffer: () => idleOffer }).run();
    expect(queue.reports.map(({ ok }) => ok)).toEqual([true, true]);
  });

  it('gives its slot free even where Redis can not store that it failed, either', async () => {
    const queue = new ScriptedQueue(() => scriptError());
    expect(await attempt(queue, 'sleep 1ms').run()).toBeUndefined();
    expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
  });

  it('is reported until Redis takes it where that is only away, or full, for long', async () => {
    const away = ["OOM command not allowed when used memory > 'maxmemory'.", 'LOADING Redis is loading', 'BUSY script'];
    const answers = Array.from({ length: 9 }, (_, i) => new ReplyError(away[i % 3] ?? ''));
    const queue = new ScriptedQueue([...answers, 'ok']);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const done = attempt(queue, 'sleep 1ms').run();
      while (queue.reports.length < 10) await vi.advanceTimersByTimeAsync(1_000);
      await done;
    } finally {
      vi.useRealTimers();
    }
    expect(queue.reports.map(({ ok }) => ok)).toEqual(Array(10).fill(true));
  });

  it('is reported once, and counted once, by whom a count of it makes throw', async () => {
    const queue = new ScriptedQueue([]);
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
    await attempt(queue, 'sleep 1ms', { observer: guarded(observer, () => {}) }).run();
    expect([queue.reports.length, ends]).toEqual([1, ['completed']]);
  });

  it.each(['fenced', 'claim-lost'] as const)('whose report is refused as %s is counted as void', async (code) => {
    const queue = new ScriptedQueue([new ClawmeshError(code, 'gone')]);
    const ends: string[] = [];
    await attempt(queue, 'sleep 1ms', { observer: { ...NO_OBSERVER, ended: (_, end) => ends.push(end) } }).run();
    expect(ends).toEqual(['void']);
  });

  it('whose claim is somebody else’s by then keeps its outcome as discarded', async () => {
    const queue = new ScriptedQueue([new ClawmeshError('claim-lost', 'gone')]);
    await attempt(queue, 'sleep 1ms').run();
    expect(queue.reports).toHaveLength(1);
    expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
  });

  it('of a fenced incarnation tells its daemon', async () => {
    const fenced = Promise.withResolvers<void>();
    const queue = new ScriptedQueue([new ClawmeshError('fenced', 'replaced')]);
    await attempt(queue, 'sleep 1ms', { onFenced: fenced.resolve }).run();
    await fenced.promise;
  });

  it('fails as a timeout at its deadline', async () => {
    const queue = new ScriptedQueue([]);
    await attempt(queue, 'sleep 1h', { timeoutMs: 20 }).run();
    expect(queue.reports).toMatchObject([{ ok: false, error: { kind: 'timeout', retryable: true } }]);
  });

  it.each([{ timeoutMs: 30 * DAY_MS }, { idleTimeoutMs: 30 * DAY_MS }, { timeoutMs: 3650 * DAY_MS }])(
    'runs to its end with %o',
    async (limits) => {
      const queue = new ScriptedQueue([]);
      await attempt(queue, 'sleep 200ms', limits).run();
      expect(queue.reports).toMatchObject([{ ok: true }]);
    },
  );

  it('that sleeps for longer than a timer of Node can is stopped by its deadline', async () => {
    const queue = new ScriptedQueue([]);
    await attempt(queue, 'sleep 30d', { timeoutMs: 20 }).run();
    expect(queue.reports).toMatchObject([{ ok: false, error: { kind: 'timeout' } }]);
  });

  it('is handed back, reported to nobody, or both to nobody, as it was stopped', async () => {
    const queue = new ScriptedQueue([]);
    const stopped = async (reason: 'hand-back' | 'fenced' | 'claim-lost') => {
      const run = attempt(queue, 'sleep 1h');
      const done = run.run();
      run.stop(reason);
      run.stop('deadline'); // the first reason counts
      await done;
    };
    await stopped('fenced');
    await stopped('claim-lost');
    expect([queue.reports, queue.handedBack]).toEqual([[], []]);
    await stopped('hand-back');
    expect([queue.reports, queue.handedBack]).toEqual([[], ['t1']]);
  });

  it('that ended before it could be stopped is reported all the same', async () => {
    const queue = new ScriptedQueue([]);
    const run = attempt(queue, 'sleep 1ms');
    const done = run.run();
    await done;
    run.stop('hand-back');
    expect(queue.reports).toMatchObject([{ ok: true }]);
  });
});
