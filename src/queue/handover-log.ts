import type { Redis } from 'ioredis';
import type { Handover, HandoverReason } from '../domain/handover.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { pairsToMap } from '../redis/pairs.ts';
import { idAfter, idBefore } from '../redis/stream-id.ts';
import { redisTime } from '../redis/time.ts';
import type { TaskReader, TaskRunHistory } from './bullmq/task-reader.ts';

export interface HandoverFilter {
  readonly taskId?: string | undefined;
  /** Either side of the handover. */
  readonly nodeId?: string | undefined;
  /** Maximum age, ms. */
  readonly sinceMs?: number | undefined;
  readonly limit: number;
}

/** Entries read at once. Each entry also needs the runs of its task, at most 100 lines (includes/add-history.lua). */
const PAGE = 500;

/**
 * The handover log: one stream entry per handover, written in the step that took the task away. The next node and the
 * time of its claim come from the task's own history, so no later update of the entry can get lost.
 */
export class HandoverLog {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #reader: TaskReader;

  constructor(redis: Redis, keys: MeshKeys, reader: TaskReader) {
    this.#redis = redis;
    this.#keys = keys;
    this.#reader = reader;
  }

  /**
   * Handovers that match, newest first. Reads only as many pages as needed. Reads only the run fields of the tasks, all
   * of a page in one round trip.
   */
  async list(filter: HandoverFilter): Promise<Handover[]> {
    const oldest = filter.sinceMs === undefined ? '-' : String((await redisTime(this.#redis)) - filter.sinceMs);
    // With a filter, most entries may not match.
    const size = filter.taskId || filter.nodeId ? PAGE : Math.min(PAGE, filter.limit);
    const found: Handover[] = [];
    let end = '+';
    for (;;) {
      const page = await this.#redis.xrevrange(this.#keys.handovers, end, oldest, 'COUNT', size);
      const entries = page
        .map(([, fields]) => readEntry(fields))
        .filter(({ taskId }) => !filter.taskId || taskId === filter.taskId);
      // A task may appear many times.
      const tasks = new Map(entries.map(({ taskId, pool }) => [`${pool}:${taskId}`, { id: taskId, pool }]));
      const runs = await this.#reader.runs([...tasks.values()]);
      const runsOf = new Map([...tasks.keys()].map((name, index) => [name, runs[index]]));
      for (const entry of entries) {
        const handover = handoverOf(entry, runsOf.get(`${entry.pool}:${entry.taskId}`));
        if (!filter.nodeId || handover.from === filter.nodeId || handover.to === filter.nodeId) found.push(handover);
        if (found.length === filter.limit) return found;
      }
      if (page.length < size) return found;
      end = idBefore(page.at(-1)?.[0] ?? '');
    }
  }
}

/** The position of the newest handover in the log. */
export async function lastHandover(redis: Redis, keys: MeshKeys): Promise<string> {
  const [entry] = await redis.xrevrange(keys.handovers, '+', '-', 'COUNT', 1);
  return entry?.[0] ?? '0-0';
}

/** The handovers after this position, oldest first. */
export async function handoversAfter(redis: Redis, keys: MeshKeys, position: string): Promise<LoggedHandover[]> {
  const entries = await redis.xrange(keys.handovers, idAfter(position), '+');
  return entries.map(([, fields]) => readEntry(fields));
}

/** A stored entry of the log; times in ms. */
export interface LoggedHandover {
  readonly at: string;
  readonly taskId: string;
  readonly pool: string;
  readonly from: string;
  readonly reason: HandoverReason;
  readonly ranMs: number;
  readonly silentMs: number;
}

function readEntry(fields: readonly string[]): LoggedHandover {
  const found = pairsToMap(fields);
  const text = (name: string) => found.get(name) ?? '';
  const at = Number(text('at'));
  return {
    at: new Date(Number.isFinite(at) ? at : 0).toISOString(),
    taskId: text('taskId'),
    pool: text('pool'),
    from: text('from'),
    reason: text('reason') as HandoverReason,
    ranMs: Number(text('ranMs')),
    silentMs: Number(text('silentMs')),
  };
}

function handoverOf({ pool: _, ...entry }: LoggedHandover, task: TaskRunHistory | undefined): Handover {
  const index = task?.history.findIndex(({ event, at }) => event === 'handover' && at === entry.at) ?? -1;
  const claim = index < 0 ? undefined : task?.history.slice(index).find(({ event }) => event === 'claimed');
  return {
    ...entry,
    to: claim?.node ?? null,
    sessionRestarted: claim !== undefined && task?.sessionMovedFrom === entry.from,
    takeoverMs: claim ? Date.parse(claim.at) - Date.parse(entry.at) + entry.silentMs : null,
  };
}
