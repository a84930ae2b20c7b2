import { BrokenPromise, type Ledger } from './invariants.ts';
import type { Mind } from './mind.ts';
import { fieldOf, isLapsed } from './picture.ts';
import { restore, type Snapshot, save } from './snapshot.ts';
import { JUMP_MS, LEASE_MS, LONG_MS, STICKY_MS } from './spec.ts';
import { setClock } from './virtual-redis.ts';

// What happens around a mesh: time, and what Redis does.

/** How long a node that was called for a task is waited for, ms (`queue/bullmq/claims.ts`). */
const PATIENCE_MS = 100;

/** To the next moment at which something is due. Nothing is, an hour. `allBeat`: as if nodes that are up beat all the while. */
export async function passTime(mind: Mind, allBeat = false): Promise<boolean> {
  const { keys, now, current } = mind;
  const beating = allBeat ? current.map(({ node }) => node.id) : [];
  const later = dueTimes(mind, beating).filter((time) => time > now && time < now + 3 * LONG_MS);
  const next = later.length > 0 ? Math.min(...later) : now + 3_600_000;
  // A schedule has hundreds of runs before that.
  await tick(mind, allBeat ? Math.max(next, patientUntil(mind)) : next);
  for (const id of beating) await mind.redis.zadd(keys.leases, 'XX', mind.now + LEASE_MS, id);
  return true;
}

function dueTimes({ picture, keys }: Mind, beating: readonly string[]): number[] {
  const times: number[] = [];
  for (const [key, value] of picture.values) {
    if (!/:delayed$|\/leases$|\/outbox:|\/circuits$|\/session:|\/deaths$|\/free:/.test(key)) continue;
    const texts = [value].flat();
    for (const [index, text] of texts.entries()) {
      if (key === keys.leases && beating.includes(texts[index - 1] ?? '')) continue;
      for (const [score] of text.matchAll(/\b\d{16}\b/g)) times.push(Math.floor(Number(score) / 4_096));
      for (const [time] of text.matchAll(/\b1\d{12}\b/g)) {
        times.push(Number(time));
        if (/session/.test(key)) times.push(Number(time) + STICKY_MS);
        if (/free/.test(key)) times.push(Number(time) + PATIENCE_MS);
      }
    }
  }
  return times;
}

/** After a jump of the clock, and after a time without a sweep, lapsed claims wait this long for a renewal. */
function patientUntil({ picture, keys }: Mind): number {
  const lapsed = [...picture.tasks.values()].some(isLapsed);
  return lapsed ? Number(fieldOf(picture, keys.sweep, 'resumedAt') ?? 0) + LONG_MS / 2 : 0;
}

/** Redis' clock is wrong, or was: at a failover, or when it is set. Whatever lives by that clock lapses at once. */
export async function jump(mind: Mind, forward: boolean): Promise<boolean> {
  if (mind.unseenJump) return false;
  mind.unseenJump = true;
  await tick(mind, mind.now + (forward ? JUMP_MS : -JUMP_MS));
  if (!forward) return true;
  mind.jumpedAt = mind.now;
  for (const [id, { lock }] of mind.picture.tasks) if (lock !== undefined) await lapse(mind, id);
  return true;
}

async function tick(mind: Mind, to: number): Promise<void> {
  mind.now = to;
  await setClock(mind.redis, to);
}

/** A lock ends, as after the visibility timeout. */
export async function lapse(mind: Mind, id: string): Promise<boolean> {
  const task = mind.picture.tasks.get(id);
  return task !== undefined && (await mind.redis.del(`${mind.keys.task(task.pool, id)}:lock`)) > 0;
}

/** What Redis has on disk, and what was known from outside when it was written. */
export interface OnDisk {
  readonly keys: Snapshot;
  readonly ledger: Ledger;
  readonly paused: ReadonlySet<string>;
  readonly scheduled: ReadonlyMap<string, { paused: boolean }>;
}

export async function writeToDisk(mind: Mind): Promise<OnDisk> {
  return {
    keys: await save(mind.redis),
    ledger: new Map([...mind.ledger].map(([id, entry]) => [id, { ...entry, answers: new Set(entry.answers) }])),
    paused: new Set(mind.paused),
    scheduled: new Map(mind.scheduled),
  };
}

/**
 * Redis starts again with what it has on disk, or a replica takes over that had heard no more. What was acknowledged since is
 * forgotten; runs that were begun since then continue, and their tasks may begin once more.
 */
export async function forget(mind: Mind, { keys, ledger, paused, scheduled }: OnDisk): Promise<boolean> {
  await restore(mind.redis, keys);
  await setClock(mind.redis, mind.now);
  const now = mind.ledger;
  mind.ledger = new Map();
  for (const [id, entry] of ledger) {
    const { starts, answers } = now.get(id) ?? entry;
    const again = Math.max(0, starts - entry.starts);
    // What it has forgotten may have been the end of a run, which begins once more then.
    mind.ledger.set(id, {
      ...entry,
      starts: entry.starts + again,
      excused: entry.excused + again + 1,
      answers: new Set([...answers, ...entry.answers]),
    });
  }
  for (const [id, entry] of now) if (!ledger.has(id)) mind.forgotten.set(id, entry);
  mind.paused.clear();
  for (const pool of paused) mind.paused.add(pool);
  mind.scheduled = new Map(scheduled);
  mind.tokens.clear();
  return true;
}

/** A claim that no incarnation knows any more ends with its visibility timeout. */
export async function lapseStrangers(mind: Mind): Promise<void> {
  const own = new Set(mind.current.flatMap(({ runs }) => runs.map(({ claim }) => claim.token)));
  for (const [id, { lock }] of mind.picture.tasks) if (lock !== undefined && !own.has(lock)) await lapse(mind, id);
}

/** Nothing that belongs to a task is left once it is removed. @throws BrokenPromise. */
export function checkNothingLeft({ picture, ledger }: Mind): void {
  const left = [...picture.values.keys()].filter(
    (key) => [...ledger.keys()].some((id) => key.includes(id)) || /\/held|\/key:|\/outbox/.test(key),
  );
  if (left.length > 0) throw new BrokenPromise(`left behind after all tasks were removed: ${left.join(', ')}`);
}
