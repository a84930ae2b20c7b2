import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import type { Outcome } from '../../src/domain/task.ts';
import { AttemptRun } from '../../src/node/attempt-run.ts';
import { Journal } from '../../src/node/journal.ts';
import { NO_OBSERVER } from '../../src/node/observer.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import { SimulateRunner } from '../../src/runners/simulate.ts';
import { emptyFolder } from '../support/folders.ts';

const DAY_MS = 86_400_000;

/** A queue that answers reports as it is told to, one after the other, and remembers them. */
class ScriptedQueue implements Partial<PoolQueue> {
  readonly pool = 'default';
  readonly reports: Outcome[] = [];
  readonly handedBack: string[] = [];
  readonly #answers: (Error | 'ok')[];

  constructor(answers: (Error | 'ok')[]) {
    this.#answers = answers;
  }

  async report(_claim: Claim, outcome: Outcome) {
    this.reports.push(outcome);
    const answer = this.#answers.shift() ?? 'ok';
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
  let folder: string;
  let journal: Journal;

  beforeEach(() => {
    folder = emptyFolder();
    journal = new Journal(folder);
  });

  const attempt = (
    queue: ScriptedQueue,
    message: string,
    more: { onFenced?: () => void; timeoutMs?: number; idleTimeoutMs?: number } = {},
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
      runner: new SimulateRunner(),
      nodeId: 'n',
      defaultTimeoutMs: 60_000,
      defaultIdleTimeoutMs: 60_000,
      mask: (text) => text,
      onLoginRefused: async () => false,
      visibilityTimeoutMs: 60_000,
      log: pino({ level: 'silent' }),
      journal,
      observer: NO_OBSERVER,
      nextOffer: () => undefined,
      onFenced: more.onFenced ?? (() => {}),
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

  it('is in the journal whole or not at all, and what was broken there is left alone', () => {
    const claim = {
      taskId: 't2',
      pool: 'p',
      token: '',
      spec: { message: '', tags: {} },
      attempt: 2,
      maxAttempts: 3,
      handovers: 1,
      holds: 0,
      refusedOn: null,
      readyAt: 0,
      claimedAt: 0,
    };
    const outcome: Outcome = {
      ok: true,
      result: { text: 'ü\n', usage: null, model: null, runId: null, durationMs: 3 },
    };
    journal.write(claim, outcome);
    writeFileSync(join(folder, 'broken.json'), '{"taskId":');
    expect(journal.pending()).toMatchObject([{ taskId: 't2', attempt: 2, handovers: 1, outcome }]);
    expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
    journal.remove(claim);
    expect(journal.pending()).toEqual([]);
    journal.discard(claim);
    for (let i = 0; i < 120; i++) {
      journal.write({ ...claim, taskId: `t${1000 + i}` }, outcome);
      journal.discard({ ...claim, taskId: `t${1000 + i}` });
    }
    expect(journal.counts().discarded).toBe(100);
  });
});
