import { afterAll, beforeAll, vi } from 'vitest';
import { hasCode } from '../../src/domain/errors.ts';
import { SCHEDULE_TRANSITIONS, type ScheduleState } from '../../src/domain/schedule-state.ts';
import type { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { makeDue, newTask, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { holdToTable, type TableCall } from '../support/transitions.ts';

const POOL = 'default';
const NAME = 'daily';

let server: TestRedis;
let mesh: TestMesh;
let node: PoolConsumer;
beforeAll(async () => {
  server = await startRedis();
  mesh = await openTestMesh(server.url, 'schedules');
  node = await mesh.node('mac-1');
});
afterAll(async () => {
  await mesh.close();
  await server.stop();
});

const add = () => mesh.schedules.add(NAME, { cron: '0 7 * * *', timezone: 'UTC' }, newTask());
const dueTime = async () => mesh.redis.zscore(mesh.keys.pool(POOL, 'repeat'), NAME);
/** The newest task of the schedule, ended or not; a task that does not exist if there is none. */
const newest = async () => ({ id: `repeat:${NAME}:${await dueTime()}`, pool: POOL });
const cancel = async () => mesh.control.cancel(await newest(), 'by the test');
const remove = async () => mesh.control.remove(await newest());
/** The node dies before it has queued the following task. */
const claimOnly = async () => {
  const advance = vi.spyOn(mesh.schedules, 'advance').mockResolvedValue();
  await makeDue(mesh);
  const claim = await node.claim();
  advance.mockRestore();
  return claim;
};
const advance = async () => mesh.schedules.advance(POOL, NAME, (await newest()).id);

async function stateOf(): Promise<ScheduleState> {
  const { redis, keys } = mesh;
  const text = await redis.hget(keys.schedules, NAME);
  if (text === null) return 'none';
  if (JSON.parse(text).paused) return 'paused';
  const [queued, ...begun] = await redis.hmget(
    keys.task(POOL, (await newest()).id),
    ...(['timestamp', 'processedOn', 'cm:history', 'finishedOn'] as const),
  );
  const hasRun = begun[1]?.includes('"event":"claimed"') === true;
  return queued !== null && begun[0] === null && !hasRun && begun[2] === null ? 'armed' : 'unarmed';
}

const SITUATIONS: Readonly<Record<ScheduleState, Readonly<Record<string, () => Promise<unknown>>>>> = {
  none: { 'it was never added': async () => undefined },
  armed: {
    'it is new': add,
    'its task has completed': async () => {
      await add();
      const claim = await claimOnly();
      await advance();
      if (claim) await node.report(claim, success);
    },
  },
  unarmed: {
    'its task runs': async () => {
      await add();
      await claimOnly();
    },
    'its task has completed': async () => {
      await add();
      const claim = await claimOnly();
      if (claim) await node.report(claim, success);
    },
    'its task was requeued': async () => {
      await add();
      const claim = await claimOnly();
      if (claim) await node.release(claim, 'drain');
    },
    'its task was cancelled': async () => {
      await add();
      await cancel();
    },
    'its task was removed': async () => {
      await add();
      await remove();
    },
  },
  paused: {
    'its task had not begun': async () => {
      await add();
      await mesh.schedules.setPaused(NAME, true);
    },
    'its task runs': async () => {
      await add();
      await claimOnly();
      await mesh.schedules.setPaused(NAME, true);
    },
  },
};

type Call = TableCall<ScheduleState, (typeof SCHEDULE_TRANSITIONS)[number]>;
const CALLS: Readonly<Record<string, Call>> = {
  'an operator adds it': {
    may: ['add by command'],
    act: () =>
      add().catch((error: unknown) => {
        if (!hasCode(error, 'failed')) throw error;
      }),
  },
  'a node claims its task, and dies': { may: ['claim by node'], act: claimOnly },
  'a node has claimed its task': { may: ['advance by node'], act: advance },
  'a node has claimed an earlier task': {
    may: [],
    act: () => mesh.schedules.advance(POOL, NAME, `repeat:${NAME}:1`),
  },
  'a node mends schedules': { may: ['mend by sweep'], act: () => mesh.schedules.mend() },
  'an operator cancels its task': { may: ['skip by command'], act: cancel },
  'an operator removes its task': { may: ['skip by command'], act: remove },
  'an operator retries its task': {
    may: ['retry by command'],
    act: async () => mesh.control.retry(await newest()),
  },
  'an operator updates it': {
    may: ['update by command'],
    act: () =>
      mesh.schedules.update(NAME, () => ({
        times: { everyMs: 7_200_000 },
        task: newTask({ message: 'new', pool: POOL }),
      })),
  },
  'an operator pauses it': { may: ['pause by command'], act: () => mesh.schedules.setPaused(NAME, true) },
  'an operator resumes it': { may: ['resume by command'], act: () => mesh.schedules.setPaused(NAME, false) },
  'an operator removes it': { may: ['remove by command'], act: () => mesh.schedules.remove(NAME) },
};

holdToTable({
  name: 'a schedule',
  table: SCHEDULE_TRANSITIONS,
  situations: SITUATIONS,
  calls: CALLS,
  reset: async () => {
    await mesh.redis.flushdb();
    await mesh.registry.register('mac-1', [POOL], 1_800_000);
  },
  stateOf,
});
