import { type Delivery, describeDestination } from '../../domain/delivery.ts';
import { describeHoldReason, parseHoldReason } from '../../domain/hold-reason.ts';
import { targetOf } from '../../domain/target.ts';
import type { HistoryEntry, Task } from '../../domain/task.ts';
import { isEnded, shownState, type TaskState } from '../../domain/task-state.ts';
import { readField, storedError, storedHistoryLine, storedProgress, storedResult, storedSpec } from './task-fields.ts';

/** A task's hash as stored in Redis. */
export type TaskHash = Readonly<Record<string, string>>;

/** The fields that a {@link Task} is built from; lists leave out the (long) result. */
export const LISTED_FIELDS = [
  'data',
  'timestamp',
  'delay',
  'priority',
  'processedOn',
  'finishedOn',
  'pb',
  'atm',
  'progress',
  'cm:error',
  'cm:history',
  'cm:movedFrom',
  'cm:handovers',
  'cm:held',
  'ats',
  'cm:after',
  'cm:max',
  'cm:acknowledged',
  'cm:delivery',
  'cm:deliveryAt',
  'cm:deliveryTries',
  'cm:deliveryReason',
] as const;

/** The fields that show which nodes ran the task, and when. */
export const RUN_FIELDS = [
  'timestamp',
  'processedOn',
  'finishedOn',
  'pb',
  'atm',
  'cm:history',
  'cm:movedFrom',
] as const;

/** The hash of a row of `HMGET` with these fields; undefined if there is no task. */
export function hashOf(row: readonly (string | null)[], names: readonly string[]): TaskHash | undefined {
  if (row[0] === null) return undefined;
  return Object.fromEntries(names.flatMap((field, index) => (row[index] ? [[field, row[index]]] : [])));
}

/** Adds the stored result to a task that was built from {@link LISTED_FIELDS}. */
export function withResult(task: Task, stored: string | null): Task {
  return { ...task, result: readField(storedResult, stored) ?? null };
}

/** Why the parent of a BullMQ flow of another program is held. */
const CHILDREN = 'children of its BullMQ flow';

/** BullMQ's place of the task; `cancelled` is our own. */
export type BullState =
  | 'wait'
  | 'prioritized'
  | 'delayed'
  | 'waiting-children'
  | 'active'
  | 'completed'
  | 'failed'
  | 'cancelled';

/**
 * The task as people and programs see it, built from its hash.
 *
 * The history has two sources. Runs that did not end the task are lines in `cm:history`, written in the step that ended
 * them. Enqueuing, the latest claim and the end are BullMQ's own fields.
 */
export function taskView(id: string, pool: string, bullState: BullState, hash: TaskHash): Task {
  const spec = readField(storedSpec, hash.data);
  const error = readField(storedError, hash['cm:error']) ?? null;
  const heldBy =
    bullState === 'waiting-children' ? CHILDREN : bullState === 'delayed' ? shownReason(hash['cm:held']) : null;
  const state = stateOf(bullState === 'failed' && error?.kind === 'cancelled' ? 'cancelled' : bullState, heldBy);
  const delay = numberOf(hash.delay);
  const history = historyOf(hash, state, error?.message ?? null);
  return {
    id,
    pool,
    state,
    message: spec?.message ?? '',
    agent: spec?.agent ?? null,
    session: spec?.session ?? null,
    model: spec?.model ?? null,
    thinking: spec?.thinking ?? null,
    priority: numberOf(hash.priority) ?? 0,
    node: history.findLast((entry) => entry.event === 'claimed')?.node ?? null,
    attempts: { made: numberOf(hash.atm) ?? 0, max: numberOf(hash['cm:max']) ?? spec?.attempts ?? 1 },
    handovers: numberOf(hash['cm:handovers']) ?? 0,
    key: spec?.key ?? null,
    tags: spec?.tags ?? {},
    timeoutMs: spec?.timeoutMs ?? null,
    enqueuedAt: isoTime(numberOf(hash.timestamp) ?? 0),
    startedAt: history.findLast((entry) => entry.event === 'claimed')?.at ?? null,
    finishedAt: isoOrNull(hash.finishedOn),
    delayedUntil: state === 'delayed' && delay ? isoTime(delayStart(hash, history) + delay) : null,
    heldBy,
    target: (spec && targetOf(spec)) ?? null,
    sessionMovedFrom: hash['cm:movedFrom'] ?? null,
    progress: readField(storedProgress, hash.progress) ?? null,
    result: readField(storedResult, hash.returnvalue) ?? null,
    // BullMQ's own retry leaves the error of the last run.
    error: state === 'completed' ? null : error,
    origin: spec?.origin ?? null,
    delivery: spec?.deliver ? deliveryOf(describeDestination(spec.deliver), hash) : null,
    acknowledgedAt: state === 'failed' ? acknowledgedAt(hash) : null,
    history,
  };
}

/** The reason of a hold, as people read it; even if only a newer clawmesh knows it. */
function shownReason(why: string | undefined): string | null {
  if (why === undefined) return null;
  const reason = parseHoldReason(why);
  return reason ? describeHoldReason(reason) : why.replace(':', ' ');
}

function deliveryOf(to: string, hash: TaskHash): Delivery {
  const stored = hash['cm:delivery'];
  const over = stored === 'delivered' || stored === 'failed' ? stored : undefined;
  return {
    state: over ?? 'pending',
    reason: stored === undefined ? 'the task has not ended' : (hash['cm:deliveryReason'] ?? null),
    to,
    tries: numberOf(hash['cm:deliveryTries']) ?? 0,
    at: over ? isoOrNull(hash['cm:deliveryAt']) : null,
  };
}

/**
 * Also null if the task has failed again since then: a BullMQ client may have queued it again without clearing this
 * field.
 */
function acknowledgedAt(hash: TaskHash): string | null {
  const at = numberOf(hash['cm:acknowledged']);
  return at === undefined || at < (numberOf(hash.finishedOn) ?? 0) ? null : isoTime(at);
}

/** The state that people see. Held tasks are among BullMQ's delayed ones, or wait for the children of their flow. */
export function stateOf(bullState: BullState, heldBy: string | null): TaskState {
  if (bullState === 'wait' || bullState === 'prioritized') return 'waiting';
  if (bullState === 'waiting-children' || (bullState === 'delayed' && heldBy !== null)) return shownState('held');
  return bullState;
}

function historyOf(hash: TaskHash, state: TaskState, errorMessage: string | null): HistoryEntry[] {
  const entry = (at: number, event: HistoryEntry['event'], rest: Partial<HistoryEntry> = {}): HistoryEntry => ({
    at: isoTime(at),
    event,
    node: rest.node ?? null,
    attempt: rest.attempt ?? null,
    reason: rest.reason ?? null,
  });
  const history = [entry(numberOf(hash.timestamp) ?? 0, 'enqueued')];
  for (const text of hash['cm:history']?.split('\n') ?? []) {
    const line = readField(storedHistoryLine, text);
    if (line?.event === 'cut') {
      history.push(entry(line.at, 'cut', { reason: `${line.count ?? 0} entries were cut` }));
    } else if (line) {
      history.push(
        entry(line.at, line.event, { node: line.node ?? null, attempt: line.attempt, reason: line.reason ?? null }),
      );
    }
  }
  const made = numberOf(hash.atm) ?? 0;
  const finishedOn = numberOf(hash.finishedOn);
  const processedOn = numberOf(hash.processedOn);
  const node = hash.pb ?? null;
  const attempt = finishedOn === undefined ? made + 1 : made;
  if (processedOn !== undefined) history.push(entry(processedOn, 'claimed', { node, attempt }));
  if (finishedOn !== undefined && isEnded(state)) {
    history.push(entry(finishedOn, state, { node, attempt, reason: errorMessage }));
  }
  return history;
}

/** The wait of a retry starts when the attempt failed, the delay of a new task when it was enqueued. */
function delayStart(hash: TaskHash, history: readonly HistoryEntry[]): number {
  const retry = history.findLast((entry) => entry.event === 'retry');
  return retry ? Date.parse(retry.at) : (numberOf(hash.timestamp) ?? 0);
}

function numberOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** The largest distance of a Date from 1970 (ECMAScript), ms; the hash may be corrupt. */
const MAX_DATE_MS = 8.64e15;

function isoTime(ms: number): string {
  return new Date(Math.min(Math.max(ms, -MAX_DATE_MS), MAX_DATE_MS)).toISOString();
}

function isoOrNull(text: string | undefined): string | null {
  const ms = numberOf(text);
  return ms === undefined ? null : isoTime(ms);
}
