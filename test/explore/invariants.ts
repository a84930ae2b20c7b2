import type { Claim } from '../../src/domain/claim.ts';
import { formatTarget, forOthers } from '../../src/domain/target.ts';
import type { NewTask } from '../../src/domain/task.ts';
import type { MeshKeys } from '../../src/redis/keys.ts';
import { type Daemon, isScheduled, type Mind, nameOf } from './mind.ts';
import { hasEnded, isHeld, isLapsed, type Picture, type TaskPicture } from './picture.ts';
import { LEASE_MS } from './spec.ts';

/** A promise that did not hold. */
export class BrokenPromise extends Error {}

/** What is known of a task from outside. */
export interface Entry {
  readonly task: NewTask;
  /** Its key was another one's, so that it became that one. */
  readonly duplicate: boolean;
  removed: boolean;
  /** How many removed tasks of its name may have completed. */
  readonly formerly: number;
  /** Runs begun since it was queued, or queued again. */
  starts: number;
  /** Runs that ended without an attempt being used up: given to another node, or held for its provider. */
  excused: number;
  /** The incarnation and the token of the last claim. */
  holder: string;
  /** Handovers before it was queued again. */
  retries?: number;
  /** The answers that were given for it. */
  readonly answers: Set<string>;
}
export type Ledger = Map<string, Entry>;

const short = (id: string) => (isScheduled(id) ? id : `task ${Number(id)}`);

/** What must hold of all that stands in Redis, at any time. @throws BrokenPromise. */
export function checkPicture(picture: Picture, keys: MeshKeys, ledger: Ledger, pools: readonly string[]): void {
  for (const [id, { removed, answers, task }] of ledger) {
    const stands = picture.tasks.get(id);
    if (removed) {
      if (stands && !ledger.get(id)?.duplicate)
        throw new BrokenPromise(`${short(id)} was removed, and is in ${stands.places.join('+')}`);
      continue;
    }
    if (!stands) throw new BrokenPromise(`${short(id)} is gone`);
    checkTask(id, stands, picture, keys);
    const made = Number(stands.fields.get('atm') ?? '0');
    const most = Number(stands.fields.get('cm:max') ?? task.attempts);
    if (made > most) throw new BrokenPromise(`${short(id)} has used ${made} of ${most} attempts`);
    if (stands.places[0] === 'completed') {
      const { text } = JSON.parse(stands.fields.get('returnvalue') ?? '{}') as { text?: string };
      if (!answers.has(text ?? ''))
        throw new BrokenPromise(`${short(id)} has an answer that was not given for it: ${text}`);
    }
  }
  for (const id of picture.tasks.keys()) {
    if (!ledger.has(id)) throw new BrokenPromise(`a task that was never queued: ${id}`);
  }
  checkSessions(picture, ledger);
  checkSums(picture, keys, ledger);
  checkHandovers(picture, keys);
  for (const pool of pools) checkList(picture, keys, pool);
}

function checkTask(id: string, task: TaskPicture, picture: Picture, keys: MeshKeys): void {
  const { places, lock, fields, heldFor, pool } = task;
  if (places.length !== 1) throw new BrokenPromise(`${short(id)} is in ${places.join(' and ') || 'no place'}`);
  if (lock !== undefined && places[0] !== 'active') throw new BrokenPromise(`${short(id)} is locked and ${places[0]}`);
  const ended = hasEnded(task);
  if (ended !== fields.has('finishedOn'))
    throw new BrokenPromise(`${short(id)} is ${places[0]}, finished on ${fields.get('finishedOn')}`);
  if (heldFor.length > 0 && !isHeld(task))
    throw new BrokenPromise(`${short(id)} is ${places[0]}, and on the list of what is held for ${heldFor[0]}`);
  if (isHeld(task)) {
    if (heldFor.length !== 1) throw new BrokenPromise(`${short(id)} is held for ${heldFor.join(' and ') || 'nothing'}`);
    const held = picture.values.get(keys.held) ?? [];
    if (!held.includes(`${pool} ${heldFor[0]}`))
      throw new BrokenPromise(`no node looks after what is held for ${heldFor[0]}`);
    if (fields.get('cm:held') !== heldFor[0])
      throw new BrokenPromise(`${short(id)} is held for ${heldFor[0]}, and says ${fields.get('cm:held')}`);
  } else if (fields.has('cm:held')) {
    throw new BrokenPromise(`${short(id)} is ${places[0]}, and says that it is held for ${fields.get('cm:held')}`);
  }
}

function checkList(picture: Picture, keys: MeshKeys, pool: string): void {
  for (const place of ['wait', 'active'] as const) {
    const list = (picture.values.get(keys.pool(pool, place)) ?? []) as readonly string[];
    if (new Set(list).size < list.length)
      throw new BrokenPromise(`${place} of ${pool} names a task twice: ${list.join(' ')}`);
  }
}

/** Of a session, one task at most has a claim. */
function checkSessions(picture: Picture, ledger: Ledger): void {
  const busy = new Map<string, string>();
  for (const [id, { lock }] of picture.tasks) {
    const { session, agent } = ledger.get(id)?.task ?? {};
    if (session === undefined || lock === undefined) continue;
    const name = `${agent ?? ''}|${session}`;
    const other = busy.get(name);
    if (other !== undefined) throw new BrokenPromise(`${short(other)} and ${short(id)} of one session run at once`);
    busy.set(name, id);
  }
}

/** What is summed up agrees with what has ended; a task that was removed counts on. */
function checkSums(picture: Picture, keys: MeshKeys, ledger: Ledger): void {
  let summed = 0;
  for (const [key, value] of picture.values) {
    if (!key.startsWith(`${keys.bullPrefix}/usage:`)) continue;
    for (let i = 0; i + 1 < value.length; i += 2) if (value[i]?.endsWith('|tasks')) summed += Number(value[i + 1]);
  }
  const completed = [...picture.tasks.values()].filter(({ places }) => places[0] === 'completed').length;
  let removed = 0;
  for (const entry of ledger.values()) removed += entry.formerly + Number(entry.removed && entry.answers.size > 0);
  if (summed < completed || summed > completed + removed)
    throw new BrokenPromise(
      `usage of ${summed} tasks is summed up, and ${completed} have completed (${removed} removed)`,
    );
}

/** Each handover of a task that is there is on record once. */
function checkHandovers(picture: Picture, keys: MeshKeys): void {
  const counts = new Map<string, number>();
  for (const entry of picture.streams.get(keys.handovers) ?? []) {
    const id = entry[entry.indexOf('taskId') + 1] ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const [id, { fields }] of picture.tasks) {
    const said = Number(fields.get('cm:handovers') ?? '0');
    const logged = counts.get(id) ?? 0;
    // A schedule that was removed and added again had a run of the same name before.
    if (isScheduled(id) ? said > logged : said !== logged)
      throw new BrokenPromise(`${short(id)} has ${said} handovers, and ${logged} on record`);
  }
}

/** After a sweep no lease lasts longer than its own length from now, whatever the clock has done. */
export function checkLeases(picture: Picture, keys: MeshKeys, now: number): void {
  const leases = picture.values.get(keys.leases) ?? [];
  for (let i = 0; i + 1 < leases.length; i += 2) {
    const left = Number(leases[i + 1]) - now;
    if (left > LEASE_MS) throw new BrokenPromise(`the lease of ${leases[i]} lasts ${left} ms, and should ${LEASE_MS}`);
  }
}

/** A claim that has lapsed is the node's again once it renews it, unless a sweep has requeued the task. */
export function checkRenewed(
  daemon: Daemon,
  own: readonly Claim[],
  lost: readonly Claim[],
  before: Picture,
  ledger: Ledger,
): void {
  for (const { taskId, token } of own) {
    const stands = before.tasks.get(taskId);
    if (!stands || !isLapsed(stands) || ledger.get(taskId)?.holder !== `${nameOf(daemon)} ${token}`) continue;
    if (lost.some((claim) => claim.taskId === taskId))
      throw new BrokenPromise(`${nameOf(daemon)} has lost ${short(taskId)}, which no sweep has requeued`);
  }
}

/** When the clock has jumped forward, claims have lapsed though their nodes are there: those may renew them first. */
export function checkPatience(before: Picture, after: Picture, { current, ledger }: Mind): void {
  const up = current.map(nameOf);
  for (const [id, task] of before.tasks) {
    if (!isLapsed(task)) continue;
    const [holder = ''] = (ledger.get(id)?.holder ?? '').split(' ');
    if (up.includes(holder) && after.tasks.get(id)?.places[0] !== 'active')
      throw new BrokenPromise(`${short(id)} was taken from ${holder} right after the clock had jumped`);
  }
}

/** A schedule has one task to come at most. */
export function checkSchedules(picture: Picture, names: Iterable<string>): void {
  for (const name of names) {
    const to = toCome(picture, name).filter((id) => picture.tasks.get(id)?.places[0] === 'delayed');
    if (to.length > 1) throw new BrokenPromise(`schedule ${name} has ${to.length} tasks to come: ${to.join(' ')}`);
  }
}

/** Once it is mended, a schedule has a task to come; one that rests has none. */
export function checkMended(picture: Picture, scheduled: ReadonlyMap<string, { paused: boolean }>): void {
  for (const [name, { paused }] of scheduled) {
    if (paused === toCome(picture, name).length > 0)
      throw new BrokenPromise(`schedule ${name} ${paused ? 'rests, and has a task to come' : 'has no task to come'}`);
  }
}

/** Tasks of a schedule that no node has begun. */
export function toCome({ tasks }: Picture, name: string): string[] {
  return [...tasks].flatMap(([id, { fields }]) => {
    const begun = ['processedOn', 'cm:history', 'finishedOn'].some((field) => fields.has(field));
    return id.startsWith(`repeat:${name}:`) && !begun ? [id] : [];
  });
}

/** What must hold of a run that a node is about to begin. @throws BrokenPromise. */
export function checkStart(
  { taskId, spec, handovers }: Claim,
  node: { id: string; labels?: Readonly<Record<string, string>> },
  ledger: Ledger,
  picture: Picture,
): void {
  const entry = ledger.get(taskId);
  if (!entry) throw new BrokenPromise(`${node.id} has claimed a task that was never queued`);
  const { task, starts, excused, retries = 0 } = entry;
  if (picture.tasks.get(taskId)?.fields.has('cm:cancel'))
    throw new BrokenPromise(`${short(taskId)} begins though it was cancelled`);
  const other = forOthers(spec, { id: node.id, labels: node.labels ?? {} }, true);
  if (other !== undefined)
    throw new BrokenPromise(`${short(taskId)} is for ${formatTarget(other)}, and runs on ${node.id}`);
  for (const { id } of task.after ?? []) {
    const before = picture.tasks.get(id);
    if (before && before.places[0] !== 'completed')
      throw new BrokenPromise(
        `${short(taskId)} begins before ${short(id)} has completed, which is ${before.places[0]}`,
      );
  }
  const most = task.attempts + excused + handovers - retries;
  if (starts > most)
    throw new BrokenPromise(`${short(taskId)} begins for the ${starts}. time, and ${most} are allowed`);
}
