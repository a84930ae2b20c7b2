import { hasCode } from '../../src/domain/errors.ts';
import { closeCircuit } from '../../src/queue/bullmq/circuits.ts';
import { setPoolPaused } from '../../src/queue/bullmq/pause-pool.ts';
import { removeExpired } from '../../src/queue/bullmq/retention.ts';
import { newTask } from '../support/pool.ts';
import { BrokenPromise, checkMended } from './invariants.ts';
import { type Mind, newEntry, scheduledTask } from './mind.ts';
import { KEPT_MS, LEASE_MS, LONG_MS } from './spec.ts';

// What people and sweeps ask of a mesh, through the ports that they use. Each answers whether there was anything to do.

export async function enqueue(mind: Mind, number: number): Promise<boolean> {
  if (mind.queued !== number - 1) return false;
  const { after, ...task } = mind.spec.tasks[number - 1] ?? {};
  const pool = task.pool ?? 'default';
  const id = mind.idOf(String(number));
  const before = after?.map((n) => ({ id: mind.idOf(String(n)), pool }));
  const spec = newTask({ ...task, pool, id, ...(before && { after: before }) });
  const [enqueued] = await mind.producer.enqueue([spec]);
  mind.ledger.set(id, newEntry(spec, enqueued?.duplicate === true));
  return true;
}

export async function cancel(mind: Mind, id: string): Promise<boolean> {
  const task = await known(mind, id);
  return task !== undefined && (await mind.control.cancel(task, 'by the test')) !== 'ended';
}

export async function retry(mind: Mind, id: string): Promise<boolean> {
  const task = await known(mind, id);
  if (!task || (await mind.control.retry(task)) !== 'waiting') return false;
  Object.assign(mind.entry(id), { starts: 0, excused: 0, retries: task.handovers });
  return true;
}

export async function remove(mind: Mind, id: string): Promise<boolean> {
  const task = await known(mind, id);
  if (!task || (await mind.control.remove(task)) !== 'removed') return false;
  mind.entry(id).removed = true;
  return true;
}

/** Ended tasks that were kept long enough are removed. */
export async function expire(mind: Mind): Promise<boolean> {
  const kept = { completedMs: KEPT_MS, failedMs: KEPT_MS, count: 1_000, usageMs: LONG_MS };
  const ids = expired(mind);
  for (const pool of mind.pools) await removeExpired(mind.line.redis, mind.keys, pool, kept);
  for (const id of ids) if (!(await mind.reader.get(id))) mind.entry(id).removed = true;
  return true;
}

export function expired({ picture, now }: Mind): string[] {
  return [...picture.tasks].flatMap(([id, { fields }]) =>
    Number(fields.get('finishedOn')) + KEPT_MS <= now ? [id] : [],
  );
}

async function known(mind: Mind, id: string) {
  const entry = mind.ledger.get(id);
  if (!entry || entry.removed) return undefined;
  const task = await mind.reader.get(id);
  if (!task) throw new BrokenPromise(`task ${mind.nameOfTask(id)} is gone`);
  return task;
}

export async function pause(mind: Mind, pool: string, paused: boolean): Promise<boolean> {
  if (mind.paused.has(pool) === paused) return false;
  await setPoolPaused(mind.line.redis, mind.keys, pool, paused);
  if (paused) mind.paused.add(pool);
  else mind.paused.delete(pool);
  return true;
}

export async function steerSchedule(mind: Mind, what: string, name: string): Promise<boolean> {
  const { schedules, scheduled, spec } = mind;
  const times = spec.schedules?.[name];
  if (!times) throw new Error(`no schedule ${name}`);
  const here = scheduled.get(name);
  if ((what === 'add') === (here !== undefined)) return false;
  try {
    if (what === 'add') await schedules.add(name, times, scheduledTask());
    else if (what === 'remove') await schedules.remove(name);
    else await schedules.setPaused(name, what === 'pause');
  } catch (error) {
    if (hasCode(error, 'not-found') || hasCode(error, 'failed'))
      throw new BrokenPromise(`schedule ${name} could not be ${what}ed: ${(error as Error).message}`);
    throw error;
  }
  if (what === 'remove') scheduled.delete(name);
  else scheduled.set(name, { paused: what === 'pause' });
  return true;
}

/** What a janitor does for schedules. */
export async function mend(mind: Mind): Promise<boolean> {
  const [failure] = await mind.schedules.mend();
  if (failure) throw new BrokenPromise(`schedule ${failure.name} can't be mended: ${failure.reason}`);
  await mind.look();
  checkMended(mind.picture, mind.scheduled);
  return true;
}

export async function evict(mind: Mind, nodeId: string): Promise<boolean> {
  return (await mind.registry.evict(nodeId, LEASE_MS)) !== undefined;
}

export async function close(mind: Mind, circuit: string): Promise<boolean> {
  return (await closeCircuit(mind.line.redis, mind.keys, circuit, 'by the test')) !== 'absent';
}
