import type { Redis } from 'ioredis';
import type { Handover, HandoverReason } from '../domain/handover.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { redisTime } from '../redis/time.ts';
import type { TaskReader } from './task-reader.ts';

export interface HandoverFilter {
  readonly taskId?: string | undefined;
  /** Either side of the handover. */
  readonly nodeId?: string | undefined;
  /** Not older than this, ms. */
  readonly sinceMs?: number | undefined;
  readonly limit: number;
}

const PAGE = 500;

/**
 * The handover log: one stream entry per handover, written in the step that took the task away. Who took the task next,
 * and when, is read from the task's own history, so that there's nothing to be filled in later that could get lost.
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

  /** Handovers that match, newest first. */
  async list(filter: HandoverFilter): Promise<Handover[]> {
    const oldest = filter.sinceMs === undefined ? '-' : String((await redisTime(this.#redis)) - filter.sinceMs);
    const found: Handover[] = [];
    let end = '+';
    for (;;) {
      const page = await this.#redis.xrevrange(this.#keys.handovers, end, oldest, 'COUNT', PAGE);
      for (const [streamId, fields] of page) {
        const handover = await this.#read(fields);
        if (handover && matches(handover, filter)) found.push(handover);
        if (found.length === filter.limit) return found;
        end = `(${streamId}`;
      }
      if (page.length < PAGE) return found;
    }
  }

  async #read(fields: readonly string[]): Promise<Handover | undefined> {
    const field = (name: string) => fields[fields.indexOf(name) + 1] ?? '';
    const taskId = field('taskId');
    const at = new Date(Number(field('at'))).toISOString();
    const silentMs = Number(field('silentMs'));
    const task = await this.#reader.get(taskId);
    const index = task?.history.findIndex((entry) => entry.event === 'handover' && entry.at === at) ?? -1;
    const claim = index < 0 ? undefined : task?.history.slice(index).find((entry) => entry.event === 'claimed');
    return {
      at,
      taskId,
      from: field('from'),
      to: claim?.node ?? null,
      reason: field('reason') as HandoverReason,
      ranMs: Number(field('ranMs')),
      silentMs,
      sessionAnew: claim !== undefined && task?.sessionMovedFrom === field('from'),
      takeoverMs: claim ? Date.parse(claim.at) - Date.parse(at) + silentMs : null,
    };
  }
}

function matches(handover: Handover, filter: HandoverFilter): boolean {
  if (filter.taskId && handover.taskId !== filter.taskId) return false;
  return !filter.nodeId || handover.from === filter.nodeId || handover.to === filter.nodeId;
}
