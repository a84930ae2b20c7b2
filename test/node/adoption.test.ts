import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { Claim } from '../../src/domain/claim.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import { type Outcome, taskError } from '../../src/domain/task.ts';
import { adoptFormerLife } from '../../src/node/adoption.ts';
import { AttemptRun } from '../../src/node/attempt-run.ts';
import type { ClaimLoop } from '../../src/node/claim-loop.ts';
import { Journal } from '../../src/node/journal.ts';
import { NO_OBSERVER } from '../../src/node/observer.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import type { NodeRegistry } from '../../src/registry/node-registry.ts';
import { stopLeftInGateway } from '../../src/runners/all.ts';
import type { Runner, RunRequest, RunResult } from '../../src/runners/runner.ts';
import { SimulateRunner } from '../../src/runners/simulate.ts';
import { Submissions } from '../../src/runners/submissions.ts';
import { writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { StandInGateway } from '../support/stand-in-gateway.ts';

const log = pino({ level: 'silent' });

const claimOf = (taskId: string, more: Partial<Claim> = {}): Claim => ({
  taskId,
  pool: 'default',
  token: 'n~2:1',
  spec: { message: 'hello', tags: {} },
  attempt: 1,
  maxAttempts: 1,
  handovers: 0,
  holds: 0,
  refusedOn: null,
  readyAt: 0,
  claimedAt: 0,
  ...more,
});

/** A queue and a runner that note what they are asked for. */
class Scripted {
  readonly reports: Outcome[] = [];
  readonly handedBack: string[] = [];
  readonly runs: { readonly request: RunRequest; readonly aborted: boolean }[] = [];
  readonly #result: RunResult;
  readonly #message: string | Error;

  constructor(result: RunResult, message: string | Error) {
    this.#result = result;
    this.#message = message;
  }

  async attempt(claim: Claim): Promise<void> {
    const queue: Partial<PoolQueue> = {
      pool: 'default',
      report: async (_, outcome) => {
        this.reports.push(outcome);
        return { settled: outcome.ok ? 'completed' : 'failed', next: undefined };
      },
      handBack: async ({ taskId }) => this.handedBack.push(taskId) > 0,
      log: async () => {},
      fillIn: async () => {
        if (typeof this.#message === 'string') return this.#message;
        throw this.#message;
      },
    };
    const runner: Runner = Object.assign(new SimulateRunner({ clock: systemClock }), {
      run: async (request: RunRequest, signal: AbortSignal) => {
        this.runs.push({ request, aborted: signal.aborted });
        return this.#result;
      },
    });
    await new AttemptRun({
      claim,
      queue: queue as PoolQueue,
      runner,
      nodeId: 'n',
      defaultTimeoutMs: 60_000,
      defaultIdleTimeoutMs: 60_000,
      visibilityTimeoutMs: 60_000,
      mask: (text) => text,
      maskAnswer: (text) => text,
      onLoginRefused: async () => false,
      log,
      journal: await Journal.open(emptyFolder(), log),
      observer: NO_OBSERVER,
      nextOffer: () => undefined,
      onFenced: () => {},
    }).run();
  }
}

describe('a task whose run never began', () => {
  it('is handed back and uses up no attempt', async () => {
    const error = taskError('crash', 'the OpenClaw gateway is away: ECONNREFUSED');
    const scripted = new Scripted({ ok: false, begun: false, error }, 'hello');
    await scripted.attempt(claimOf('t1'));
    expect([scripted.handedBack, scripted.reports]).toEqual([['t1'], []]);
  });
});

describe('a task whose message can’t be had', () => {
  const gone = new ClawmeshError('not-found', '{{result:t0}}: that task has no result (any more)');
  const stopped: RunResult = { ok: false, error: taskError('cancelled', 'stopped') };

  it('has the run stopped that a former life began', async () => {
    const scripted = new Scripted(stopped, gone);
    await scripted.attempt(claimOf('t1', { resumes: 'boot' }));
    expect(scripted.runs).toMatchObject([{ request: { taskId: 't1', resumes: 'boot' }, aborted: true }]);
    expect(scripted.reports).toMatchObject([{ error: { kind: 'invalid' } }]);
  });

  it('has nothing stopped where no former life had it', async () => {
    const scripted = new Scripted(stopped, gone);
    await scripted.attempt(claimOf('t1'));
    expect([scripted.runs, scripted.reports.length]).toEqual([[], 1]);
  });
});

describe('a new life of a node', () => {
  it('names the runs that it takes up again, and none whose outcome it only delivers', async () => {
    const journal = await Journal.open(emptyFolder(), log);
    const ended = claimOf('t2', { handovers: 1 });
    await journal.keep(ended, { ok: false, error: taskError('unknown', 'x') });
    const taken: string[] = [];
    const loop = {
      queue: { adopt: async () => [claimOf('a:1', { attempt: 2, holds: 3 }), ended] },
      take: ({ taskId }: Claim) => taken.push(taskId),
    };
    const takenUp = await adoptFormerLife({
      owner: { nodeId: 'n', incarnation: 2 },
      loops: [loop as unknown as ClaimLoop],
      journal,
      registry: { releaseHold: async () => {} } as unknown as NodeRegistry,
      runner: new SimulateRunner({ clock: systemClock }),
      log,
    });
    expect(taken).toEqual(['a:1', 't2']);
    expect(takenUp).toEqual(['clawmesh-a-1-2-w3']);
  });

  it('stops what it left in its gateway also where it runs tasks in another mode by now', async () => {
    const gateway = await StandInGateway.start();
    const submissions = join(emptyFolder(), 'submissions');
    const { config } = loadConfig({
      file: writeConfig(`openclaw: {mode: exec, gateway: {url: "${gateway.url}"}}\n`),
      env: {},
    });
    const options = { config, nodeId: 'n', env: {}, submissions, clock: systemClock };
    expect(stopLeftInGateway('exec', options)).toBeUndefined();
    const left = { runId: 'r1', sessionKey: 'chat', boot: gateway.boot, accepted: true, endsBy: 0 };
    await new Submissions(submissions).put({ ...left, state: 'running' });
    expect(stopLeftInGateway('gateway', options)).toBeUndefined();
    const runner = stopLeftInGateway('exec', options);
    onTestFinished(async () => {
      await runner?.close();
      await gateway.stop();
    });
    await expect.poll(() => gateway.asked('sessions.abort')).toEqual([{ key: 'chat', runId: 'r1' }]);
  });
});
