import { expect, it } from 'vitest';
import type { Claim } from '../../src/domain/claim.ts';
import type { Outcome } from '../../src/domain/task.ts';
import { taskError } from '../../src/domain/task.ts';
import { GateBackoff } from '../../src/node/gate-backoff.ts';
import { RunSet } from '../../src/node/run-set.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import type { Runner } from '../../src/runners/runner.ts';
import { testContext } from '../support/node-context.ts';
import { aClaim } from '../support/run-context.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

const claimOf = (taskId: string) => aClaim(taskId, { token: `mac-1~1:${taskId}`, spec: { message: taskId, tags: {} } });

/** A started run set of mac-1 with two slots, where the tasks of `waiting` wait. Runs end when `finish` names them, or if stopped. */
async function claiming(options: { waiting?: string[]; labels?: Record<string, string>; open?: boolean } = {}) {
  const { waiting = [], labels = {} } = options;
  const clock = new VirtualClock();
  const backoff = new GateBackoff({ clock, firstMs: 1_000, mostMs: 8_000, onChange: () => {} });
  const gates = { open: options.open ?? true };
  const said: string[] = [];
  const askedHeld: string[] = [];
  const running = new Map<string, () => void>();
  let endWait = () => {};
  const queue: Partial<PoolQueue> = {
    pool: 'default',
    waitForWork: () =>
      waiting.length > 0
        ? Promise.resolve(true)
        : new Promise((resolve) => {
            endWait = () => resolve(false);
          }),
    interrupt: async () => endWait(),
    claim: async () => {
      const taskId = waiting.shift();
      return taskId === undefined ? undefined : claimOf(taskId);
    },
    claimHeld: async (why) => {
      askedHeld.push(why);
      return undefined;
    },
    renderMessage: async ({ spec }) => spec.message,
    log: async () => {},
    report: async ({ taskId }: Claim, outcome: Outcome) => {
      said.push(`${taskId} ${outcome.ok ? 'completed' : outcome.error.kind}`);
      return { settled: outcome.ok ? 'completed' : 'failed', next: undefined };
    },
    release: async ({ taskId }) => {
      said.push(`${taskId} released`);
      return true;
    },
    close: async () => void said.push('closed'),
  };
  const run: Runner['run'] = ({ taskId }, signal) =>
    new Promise((resolve) => {
      const result = { text: taskId, runId: null, model: null, tokens: null } as never;
      running.set(taskId, () => resolve({ ok: true, result }));
      const stopped = () => resolve({ ok: false, error: taskError('unknown', 'stopped') });
      signal.addEventListener('abort', stopped, { once: true });
    });
  const context = testContext({
    clock,
    settings: {
      pools: { default: 2 },
      maxTasks: undefined,
      drainTimeout: 60_000,
      keepAwake: false,
      dashboard: false,
      labels,
    },
    runner: { run },
    journal: { remove: () => {} },
    backend: { openQueue: async () => queue as PoolQueue },
  });
  const parts = { gates, probe: { pressure: 1 }, auth: { refused: async () => false }, backoffs: [backoff] };
  const runs = new RunSet(context, parts);
  await runs.open();
  runs.start();
  await settled();
  const finish = async (taskId: string) => {
    running.get(taskId)?.();
    await settled();
  };
  return { ...context, runs, backoff, gates, said, askedHeld, finish, waiting };
}

const ids = (runs: RunSet) => runs.runs.map(({ claim }) => claim.taskId);

it('claims nothing before it starts', async () => {
  const context = testContext({ backend: { openQueue: async () => ({ pool: 'default' }) as PoolQueue } });
  const runs = new RunSet(context, {
    gates: { open: true },
    probe: { pressure: 1 },
    auth: { refused: async () => false },
    backoffs: [],
  });
  await runs.open();
  await settled();
  expect([runs.loops.length, runs.count, runs.waitsForWork]).toEqual([1, 0, false]);
});

it('runs as many tasks as it has slots, and reports each', async () => {
  const { runs, finish, said } = await claiming({ waiting: ['t1', 't2', 't3'] });
  expect(ids(runs)).toEqual(['t1', 't2']);
  await finish('t1');
  expect([ids(runs), said]).toEqual([['t2', 't3'], ['t1 completed']]);
});

it('claims nothing while a gate is closed, and again once it is open', async () => {
  const { runs, gates, events } = await claiming({ waiting: ['t1'], open: false });
  expect(runs.count).toBe(0);
  gates.open = true;
  events.emit('gatesChanged');
  await settled();
  expect(ids(runs)).toEqual(['t1']);
});

it('stops only the run of the task that was cancelled', async () => {
  const { runs, said } = await claiming({ waiting: ['t1', 't2'] });
  runs.stopRuns('cancelled', 't2');
  await settled();
  expect([ids(runs), said]).toEqual([['t1'], ['t2 cancelled']]);
});

it('releases all runs when a drain by hand has reached its timeout', async () => {
  const { runs, events, said, gates } = await claiming({ waiting: ['t1', 't2'] });
  gates.open = false;
  events.emit('drainExpired');
  await settled();
  expect([ids(runs), said]).toEqual([[], ['t1 released', 't2 released']]);
});

it('releases its tasks when it stops', async () => {
  const { runs, said } = await claiming({ waiting: ['t1', 't2', 't3'] });
  await runs.stop();
  await runs.close();
  expect([runs.count, said]).toEqual([0, ['t1 released', 't2 released', 'closed']]);
});

it('reports no run of a fenced incarnation to Redis', async () => {
  const { runs, events, said, gates } = await claiming({ waiting: ['t1', 't2'] });
  gates.open = false;
  events.emit('fenced');
  await runs.stop();
  expect([runs.count, said]).toEqual([0, []]);
});

const held = (why: string, pool = 'default', node = '') => [{ pool, why, node }];

it.each([
  ['a label that it has', held('require:gpu=yes'), ['require:gpu=yes']],
  ['a label that it lacks', held('require:gpu=no'), []],
  ['this node', held('node:mac-1'), ['node:mac-1']],
  ['another node', held('node:mac-2'), []],
  ['a session of this node', held('session:|chat', 'default', 'mac-1'), ['session:|chat']],
  ['a session of another node', held('session:|chat', 'default', 'mac-2'), []],
  ['a pool that it does not serve', held('node:mac-1', 'ios', 'mac-1'), []],
  ['a reason that it does not know', held('moon:full'), []],
] as const)('requests held tasks only if it may run them: %s', async (_, heldFor, asked) => {
  const { events, askedHeld } = await claiming({ labels: { gpu: 'yes' } });
  events.emit('heldFor', heldFor);
  await settled();
  expect(askedHeld).toEqual(asked);
});

it('runs one task at a time while a backoff sends probes', async () => {
  const { runs, backoff, clock, waiting, events, finish } = await claiming();
  backoff.close(() => 'login refused');
  await clock.advance(1_000);
  expect(backoff.isTrying).toBe(true);
  waiting.push('t1', 't2', 't3');
  for (const loop of runs.loops) await loop.queue.interrupt();
  await settled();
  expect(ids(runs)).toEqual(['t1']);
  events.emit('gatesChanged');
  await settled();
  expect(ids(runs)).toEqual(['t1']);
  await finish('t1');
  expect(ids(runs)).toEqual(['t2']);
  backoff.succeeded('t2');
  events.emit('gatesChanged');
  await settled();
  expect(ids(runs)).toEqual(['t2', 't3']);
});
