import type { HandoverReason } from '../../domain/handover.ts';
import type { MeshEventName } from '../../domain/mesh-event.ts';
import type { NodeState } from '../../domain/node-state.ts';
import type { HistoryEvent, TaskRef } from '../../domain/task.ts';
import type { TaskHistory } from '../../queue/bullmq/run-reader.ts';
import type { MeshEvent } from '../../registry/event-log.ts';

/** One run of a task on one node. Times are ms since the epoch, by Redis. */
export interface Bar {
  readonly node: string;
  readonly attempt: number;
  readonly from: number;
  /** Null while the task runs. */
  readonly to: number | null;
  /** How the run ended; `claimed` while it continues. */
  readonly end: BarEnd;
  /** Why the task was taken from the node, if it was. The next bar of the task is the run that continued it. */
  readonly reason?: HandoverReason;
}

export type BarEnd = Exclude<HistoryEvent, 'enqueued' | 'cut'>;

/** A task on the timeline. */
export interface TaskRuns extends TaskRef {
  /** The oldest first. */
  readonly bars: readonly Bar[];
}

/** A period in which a node was dead. */
export interface DeadPeriod {
  readonly node: string;
  readonly from: number;
  readonly to: number | null;
  readonly reason: string;
}

/** Distinguishes tasks: other BullMQ programs use the same ids in several pools. */
export function keyOf({ pool, id }: TaskRef): string {
  return `${pool} ${id}`;
}

/** The runs of a task, from its history. */
export function runsOf({ id, pool, history }: TaskHistory): TaskRuns {
  const bars: Bar[] = [];
  let claim: { node: string; from: number; attempt: number } | undefined;
  for (const { at: time, event, node, attempt, reason } of history) {
    const at = Date.parse(time);
    if (event === 'claimed') {
      claim = { node: node ?? '?', from: at, attempt: attempt ?? 1 };
      continue;
    }
    if (event === 'enqueued') continue;
    if (claim && event !== 'cut') {
      const why = event === 'handover' ? { reason: reason as HandoverReason } : {};
      bars.push({ ...claim, to: at, end: event, ...why });
    }
    claim = undefined;
  }
  if (claim) bars.push({ ...claim, to: null, end: 'claimed' });
  return { id, pool, bars };
}

/** The parts of a node that say whether it is dead. */
interface Liveness {
  readonly id: string;
  readonly state: NodeState;
  /** Redis time, ms; null if it is not known. */
  readonly heartbeatAt: number | null;
}

/** The events that begin or end a {@link DeadPeriod}. */
export const LIVENESS_EVENTS: readonly MeshEventName[] = ['node-dead', 'node-up', 'node-forgotten'];

/** The periods in which nodes were dead, from the events (oldest first) and the current states of the nodes. */
export function deadPeriods(events: readonly MeshEvent[], nodes: readonly Liveness[]): DeadPeriod[] {
  const periods: DeadPeriod[] = [];
  const open = new Map<string, DeadPeriod>();
  for (const { event: name, node, at, silentMs, reason } of events) {
    if (node === null) continue;
    const event = name as MeshEventName;
    const time = Date.parse(at);
    if (event === 'node-dead') {
      open.set(node, { node, from: time - (silentMs ?? 0), to: null, reason: reason ?? 'dead' });
    } else if (event === 'node-up' || event === 'node-forgotten') {
      const period = open.get(node);
      if (period) periods.push({ ...period, to: time });
      open.delete(node);
    }
  }
  // The node's death is older than the log.
  for (const { id, state, heartbeatAt } of nodes) {
    if (state !== 'dead' || open.has(id)) continue;
    open.set(id, { node: id, from: heartbeatAt ?? 0, to: null, reason: 'dead' });
  }
  return [...periods, ...open.values()];
}
