import { describeHoldReason, parseHoldReason } from '../../domain/hold-reason.ts';
import { targetOf } from '../../domain/target.ts';
import type { HistoryEntry, Task } from '../../domain/task.ts';
import { isEnded, shownState, type TaskState } from '../../domain/task-state.ts';
import { readField, storedError, storedHistoryLine, storedProgress, storedResult, storedSpec } from './task-fields.ts';

/** A task's hash as Redis has it. */
export type TaskHash = Readonly<Record<string, string>>;

/** The fields a {@link Task} is made of; lists leave the (long) result out. */
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
] as const;

/** Those that tell who ran it when. */
export const RUN_FIELDS = [
  'timestamp',
  'processedOn',
  'finishedOn',
  'pb',
  'atm',
  'cm:history',
  'cm:movedFrom',
] as const;

/** What holds the parent of a flow that another program has made with BullMQ. */
const CHILDREN = 'children of its BullMQ flow';

/** Where the task is kept, by BullMQ but for `cancelled`. */
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
 * The task as people and programs see it, from its hash.
 *
 * The history is put together from two parts: runs that did not end the task are lines in `cm:history`, written in the
 * step that ended them; enqueuing, the latest claim and the end are BullMQ's own fields, written in its steps.
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
    // BullMQ's own retry leaves that of the last run.
    error: state === 'completed' ? null : error,
    acknowledgedAt: state === 'failed' ? acknowledgedAt(hash) : null,
    history,
  };
}

/** What a task is held for, as people read it; also if only a newer clawmesh knows that reason. */
function shownReason(why: string | undefined): string | null {
  if (why === undefined) return null;
  const reason = parseHoldReason(why);
  return reason ? describeHoldReason(reason) : why.replace(':', ' ');
}

/** Null also where it has failed since then: a BullMQ client may have queued it again, which knows nothing of this. */
function acknowledgedAt(hash: TaskHash): string | null {
  const at = numberOf(hash['cm:acknowledged']);
  return at === undefined || at < (numberOf(hash.finishedOn) ?? 0) ? null : isoTime(at);
}

/** The state that people see; what is held stands among BullMQ's delayed ones, or waits for the children of its flow. */
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

/** A retry's wait begins when the attempt failed, a delayed task's when it was enqueued. */
function delayStart(hash: TaskHash, history: readonly HistoryEntry[]): number {
  const retry = history.findLast((entry) => entry.event === 'retry');
  return retry ? Date.parse(retry.at) : (numberOf(hash.timestamp) ?? 0);
}

function numberOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** The most that a Date can be away from 1970 (ECMAScript), ms; somebody may have mangled the hash. */
const MAX_DATE_MS = 8.64e15;

function isoTime(ms: number): string {
  return new Date(Math.min(Math.max(ms, -MAX_DATE_MS), MAX_DATE_MS)).toISOString();
}

function isoOrNull(text: string | undefined): string | null {
  const ms = numberOf(text);
  return ms === undefined ? null : isoTime(ms);
}
