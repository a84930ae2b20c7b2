import type { HandoverReason } from '../../domain/handover.ts';
import type { MeshEventName } from '../../domain/mesh-event.ts';
import type { Node } from '../../domain/node.ts';
import type { HistoryEvent, Task } from '../../domain/task.ts';
import type { MeshEvent } from '../../registry/event-log.ts';

/** One run of a task on one node. Times are ms since the epoch, by Redis. */
export interface Bar {
  readonly node: string;
  readonly attempt: number;
  readonly from: number;
  /** Null while the task runs. */
  readonly to: number | null;
  /** How the run ended; `claimed` while it continues. */
  readonly end: Exclude<HistoryEvent, 'enqueued' | 'cut'>;
}

/** A handover of a task from one node to another. */
export interface Arrow {
  readonly from: string;
  /** Time of the handover, ms. */
  readonly at: number;
  readonly reason: HandoverReason;
  /** The node that claims the task next, and when (ms); null until then. */
  readonly to: string | null;
  readonly claimedAt: number | null;
}

/** A task on the timeline. */
export interface TaskRuns {
  readonly id: string;
  readonly pool: string;
  /** The beginning of the task's message. */
  readonly title: string;
  readonly bars: readonly Bar[];
  readonly arrows: readonly Arrow[];
}

/** A period in which a node was dead. */
export interface DeadPeriod {
  readonly node: string;
  readonly from: number;
  readonly to: number | null;
  readonly reason: string;
}

const TITLE_LENGTH = 80;

/** The runs and handovers of a task, from its history. */
export function runsOf(task: Task): TaskRuns {
  const bars: Bar[] = [];
  const arrows: Arrow[] = [];
  let claim: { node: string; at: number; attempt: number } | undefined;
  for (const { at: time, event, node, attempt, reason } of task.history) {
    const at = Date.parse(time);
    if (event === 'claimed') {
      claim = { node: node ?? '?', at, attempt: attempt ?? 1 };
      const last = arrows.at(-1);
      if (last?.to === null) arrows[arrows.length - 1] = { ...last, to: claim.node, claimedAt: at };
      continue;
    }
    if (event === 'enqueued') continue;
    if (event === 'cut') {
      claim = undefined;
      continue;
    }
    if (claim) bars.push({ node: claim.node, attempt: claim.attempt, from: claim.at, to: at, end: event });
    if (event === 'handover') {
      const from = claim?.node ?? node ?? '?';
      arrows.push({ from, at, reason: reason as HandoverReason, to: null, claimedAt: null });
    }
    claim = undefined;
  }
  if (claim) bars.push({ node: claim.node, attempt: claim.attempt, from: claim.at, to: null, end: 'claimed' });
  return { id: task.id, pool: task.pool, title: task.message.slice(0, TITLE_LENGTH), bars, arrows };
}

/**
 * The periods in which nodes were dead, from the events (oldest first) and the node states at `now` (Redis time, ms).
 */
export function deadPeriods(events: readonly MeshEvent[], nodes: readonly Node[], now: number): DeadPeriod[] {
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
  for (const { id, state, heartbeatAgeMs } of nodes) {
    if (state !== 'dead' || open.has(id)) continue;
    open.set(id, { node: id, from: heartbeatAgeMs === null ? 0 : now - heartbeatAgeMs, to: null, reason: 'dead' });
  }
  return [...periods, ...open.values()];
}
