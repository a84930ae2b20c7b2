import { beforeEach, expect, it, vi } from 'vitest';
import { OpenClawWatch } from '../../src/node/openclaw-watch.ts';
import type { RunnerHealth } from '../../src/runners/runner.ts';
import { testContext } from '../support/node-context.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0.5));

const HEALTHY: RunnerHealth = { version: '2026.1.5', healthy: true, reason: null };
const DOWN: RunnerHealth = { version: '2026.1.5', healthy: false, reason: 'no gateway on port 18789' };

/** A watch that checks every 60 s; `found.health` is what it finds, and `restarts` what its restarter is told. */
function watching(config: object = {}) {
  const clock = new VirtualClock();
  const found = { health: HEALTHY, checkedAt: [] as number[] };
  const health = async () => {
    found.checkedAt.push(clock.monotonic());
    return found.health;
  };
  const context = testContext({ clock, config, runner: { health } });
  const restarts: (string | null)[] = [];
  const watch = new OpenClawWatch(context, { checked: async (trouble) => void restarts.push(trouble) });
  return { ...context, watch, found, restarts };
}

it('has started once it knows the state of OpenClaw', async () => {
  const { watch } = watching({ openclaw: { version: '2026.1.5' } });
  expect([watch.state.healthy, watch.trouble]).toEqual([false, undefined]);
  await watch.start();
  expect(watch.state).toEqual({ mode: 'exec', version: '2026.1.5', expected: '2026.1.5', healthy: true });
  expect(watch.trouble).toBeNull();
});

it('checks as often as the runner allows', async () => {
  const { watch, clock, found } = watching();
  await watch.start();
  await clock.advance(120_000);
  expect(found.checkedAt).toEqual([0, 60_000, 120_000]);
});

it('reports each change once', async () => {
  const { watch, clock, found, emitted, logged } = watching();
  await watch.start();
  await clock.advance(120_000);
  found.health = DOWN;
  await clock.advance(120_000);
  found.health = HEALTHY;
  await clock.advance(120_000);
  expect(emitted).toEqual(['factsChanged', 'factsChanged', 'factsChanged']);
  expect(logged).toMatchObject([
    { level: 'info', msg: 'openclaw checked', version: '2026.1.5', reason: null },
    { level: 'warn', msg: 'openclaw checked', reason: 'no gateway on port 18789' },
    { level: 'info', msg: 'openclaw checked', reason: null },
  ]);
});

it('warns of a version other than the expected one', async () => {
  const { watch, logged } = watching({ openclaw: { version: '2026.2.0' } });
  await watch.start();
  expect(logged).toMatchObject([{ level: 'warn', version: '2026.1.5', expected: '2026.2.0' }]);
});

it('masks secrets in what OpenClaw says, before it reports anything', async () => {
  const { watch, found, logged, restarts } = watching({ redis: { url: 'redis://:hunter2-secret@127.0.0.1:6379' } });
  found.health = { ...DOWN, reason: 'refused hunter2-secret' };
  await watch.start();
  expect(watch.trouble).toMatch(/^refused /);
  expect(JSON.stringify([watch.trouble, watch.state, logged, restarts])).not.toContain('hunter2-secret');
});

it('checks at once after a change of the config', async () => {
  const { watch, clock, found, events } = watching();
  await watch.start();
  await clock.advance(1_000);
  events.emit('configChanged');
  await clock.advance(0);
  expect(found.checkedAt).toEqual([0, 1_000]);
});

it('counts a check that fails as trouble with its error, and checks again', async () => {
  let error: Error | undefined = new Error('EMFILE: too many open files');
  const context = testContext({ runner: { health: async () => (error ? Promise.reject(error) : HEALTHY) } });
  const watch = new OpenClawWatch(context);
  await watch.start();
  expect([watch.state.healthy, watch.trouble]).toEqual([false, 'EMFILE: too many open files']);
  error = undefined;
  await context.clock.advance(60_000);
  expect(watch.trouble).toBeNull();
  await watch.stop();
});

it('never checks twice at a time: a change of the config during a check leads to another one after it', async () => {
  const checks: PromiseWithResolvers<RunnerHealth>[] = [];
  const health = () => {
    const check = Promise.withResolvers<RunnerHealth>();
    checks.push(check);
    return check.promise;
  };
  const context = testContext({ runner: { health } });
  const watch = new OpenClawWatch(context);
  const started = watch.start();
  context.events.emit('configChanged');
  context.events.emit('configChanged');
  await settled();
  expect(checks).toHaveLength(1);
  checks[0]?.resolve(DOWN);
  await settled();
  expect(checks).toHaveLength(2);
  checks[1]?.resolve(HEALTHY);
  await started;
  expect(watch.trouble).toBeNull();
  await watch.stop();
});

it('reports every check to the restarter, including checks without a change', async () => {
  const { watch, clock, found, restarts } = watching();
  await watch.start();
  found.health = DOWN;
  await clock.advance(120_000);
  expect(restarts).toEqual([null, DOWN.reason, DOWN.reason]);
});

it('reports and restarts nothing after a check that ends after the stop', async () => {
  const late = Promise.withResolvers<RunnerHealth>();
  const context = testContext({ runner: { health: () => late.promise } });
  const checked = vi.fn(async () => {});
  const watch = new OpenClawWatch(context, { checked });
  const started = watch.start();
  const stopped = watch.stop();
  late.resolve(DOWN);
  await Promise.all([started, stopped]);
  expect([context.emitted, context.logged, checked.mock.calls]).toEqual([[], [], []]);
});
