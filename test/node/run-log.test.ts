import { expect, it } from 'vitest';
import { secretMasker } from '../../src/domain/secrets.ts';
import type { TaskProgress } from '../../src/domain/task.ts';
import { RunLog } from '../../src/node/run-log.ts';
import type { PoolQueue } from '../../src/queue/task-queue.ts';
import { testContext } from '../support/node-context.ts';
import { aClaim } from '../support/run-context.ts';
import { settled, VirtualClock } from '../support/virtual-clock.ts';

/** The log of a run that began at midnight, and what it writes. */
const runLog = () => {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1));
  const { log, logged } = testContext({ clock });
  const written: { lines: string[]; progress: TaskProgress | undefined }[] = [];
  const redis = { reply: async () => {} };
  const queue = {
    log: async (_: unknown, lines: string[], progress: TaskProgress | undefined) => {
      written.push({ lines, progress });
      await redis.reply();
    },
  } as unknown as PoolQueue;
  const run = new RunLog({ claim: aClaim('t1'), queue, clock, log, mask: secretMasker(['hunter2']) });
  /** All lines, without their times. */
  const texts = () => written.flatMap(({ lines }) => lines.map((line) => line.slice(line.indexOf(' ') + 1)));
  const say = (delta: string) => run.record({ type: 'text', delta });
  return { run, say, clock, redis, written, texts, logged };
};

it('writes lines together, exactly 500 ms after the first, each with the time of its output', async () => {
  const { run, clock, written } = runLog();
  run.record({ type: 'log', text: 'one' });
  await clock.advance(499);
  run.record({ type: 'log', text: 'two' });
  expect(written).toEqual([]);
  await clock.advance(1);
  const lines = ['2026-01-01T00:00:00.000Z one', '2026-01-01T00:00:00.499Z two'];
  expect(written).toEqual([{ lines, progress: undefined }]);
});

it('joins the agent’s output into lines, whatever chunks it comes in, and ends them before other events', async () => {
  const { run, say, texts } = runLog();
  for (const delta of ['he', 'llo\n\n \nwor', 'ld', '\nhalf']) say(delta);
  run.record({ type: 'log', text: 'tool bash: start' });
  say('rest');
  await run.end();
  expect(texts()).toEqual(['hello', 'world', 'half', 'tool bash: start', 'rest']);
});

it('writes nothing for a sign of life, and sets no timer', async () => {
  const { run, clock, written } = runLog();
  run.record({ type: 'alive' });
  expect(clock.pending).toBe(0);
  await run.end();
  expect(written).toEqual([]);
});

it('masks secrets in lines and notes, even a secret split over two chunks', async () => {
  const { run, say, clock, written, texts } = runLog();
  say('it is hunt');
  say('er2');
  run.record({ type: 'progress', note: 'tool hunter2', tokens: null });
  await clock.advance(500);
  expect(texts()).toEqual(['it is ********']);
  expect(written[0]?.progress?.note).toBe('tool ********');
});

it('keeps the newest 1000 lines while it cannot write', async () => {
  const { run, texts } = runLog();
  for (let n = 1; n <= 1_002; n++) run.record({ type: 'log', text: `line ${n}` });
  await run.end();
  expect([texts().length, texts()[0], texts().at(-1)]).toEqual([1_000, 'line 3', 'line 1002']);
});

it('cuts a line at 4000 characters and a note at 200, and marks the cut', async () => {
  const { run, clock, texts, written } = runLog();
  run.record({ type: 'log', text: 'x'.repeat(4_000) });
  run.record({ type: 'log', text: 'y'.repeat(1_000_000) });
  run.record({ type: 'progress', note: 'n'.repeat(300), tokens: null });
  await clock.advance(500);
  expect(texts()).toEqual(['x'.repeat(4_000), `${'y'.repeat(4_000)}…`]);
  expect(written[0]?.progress?.note).toBe(`${'n'.repeat(200)}…`);
});

it('does not wait for the end of a line that is longer than its limit', async () => {
  const { say, clock, texts } = runLog();
  say('x'.repeat(4_000));
  await clock.advance(500);
  expect(texts()).toEqual([]);
  say('x');
  await clock.advance(500);
  expect(texts()).toEqual([`${'x'.repeat(4_000)}…`]);
});

it('writes the latest progress, with the last known count of tokens', async () => {
  const { run, clock, written } = runLog();
  run.record({ type: 'progress', note: 'answering', tokens: 7 });
  run.record({ type: 'progress', note: 'tool bash', tokens: null });
  await clock.advance(500);
  expect(written).toEqual([{ lines: [], progress: { at: '2026-01-01T00:00:00.000Z', note: 'tool bash', tokens: 7 } }]);
});

it('writes at once to which gateway a run was submitted, and repeats it with each later progress', async () => {
  const { run, clock, written } = runLog();
  run.record({ type: 'submitted', to: 'gateway-1' });
  await clock.advance(0);
  run.record({ type: 'progress', note: 'answering', tokens: 1 });
  await clock.advance(500);
  expect(written.map(({ progress }) => [progress?.note, progress?.submittedTo])).toEqual([
    ['submitted', 'gateway-1'],
    ['answering', 'gateway-1'],
  ]);
});

it('collects lines while a write is under way, instead of starting another', async () => {
  const { run, clock, redis, written, texts } = runLog();
  const reply = Promise.withResolvers<void>();
  redis.reply = () => reply.promise;
  run.record({ type: 'log', text: 'one' });
  await clock.advance(500);
  run.record({ type: 'log', text: 'two' });
  await clock.advance(60_000);
  run.record({ type: 'log', text: 'three' });
  expect(texts()).toEqual(['one']);
  reply.resolve();
  await clock.advance(500);
  expect(written.map(({ lines }) => lines.length)).toEqual([1, 2]);
});

it('continues after a failed write, whose lines are lost', async () => {
  const { run, clock, redis, texts, logged } = runLog();
  redis.reply = async () => {
    throw new Error('gone');
  };
  run.record({ type: 'log', text: 'one' });
  await clock.advance(500);
  expect(logged.map(({ level, error, msg }) => [level, error, msg])).toEqual([
    ['debug', 'gone', 'log lines not written'],
  ]);
  redis.reply = async () => {};
  run.record({ type: 'log', text: 'two' });
  await clock.advance(500);
  expect(texts()).toEqual(['one', 'two']);
});

it('writes the remaining lines when the run ends, without its progress, and nothing after that', async () => {
  const { run, say, clock, written } = runLog();
  say('no line break');
  run.record({ type: 'progress', note: 'answering', tokens: 1 });
  say('still none');
  await run.end();
  await settled();
  expect(written.map(({ lines, progress }) => [lines.length, progress])).toEqual([[2, undefined]]);
  expect(clock.pending).toBe(0);
});
