import { RedisConnection, RedisQueueBackend, type WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import * as z from 'zod';
import type { Claim, Incarnation } from '../../domain/claim.ts';
import type { Offer } from '../../domain/dispatch.ts';
import type { TaskError, TaskResult } from '../../domain/task.ts';
import type { EndedState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { pairsToMap } from '../../redis/pairs.ts';
import { Asking, type AskingOptions, PATIENCE_MS } from '../asking.ts';
import type { Circuits } from '../circuits.ts';
import { CIRCUITS_CHANGED, CLAIM_GONE, FOR_ANOTHER_NODE, throwIfRefused } from '../claim-codes.ts';
import type { Retention } from '../retention.ts';
import { readField } from '../task-fields.ts';
import { fencedScripts, retryKeyCount } from './fenced-scripts.ts';

/** What BullMQ answers when asked for a task. Times are Redis time, ms. */
export interface FetchReply {
  /** The task's hash and id, if there was one. */
  readonly task: { readonly id: string; readonly fields: ReadonlyMap<string, string> } | undefined;
  /** There may be another one: this one had to wait for its session. */
  readonly again: boolean;
  /** Nothing for this node for so long (ms): the pool is rate-limited, or the strategy has called another node. */
  readonly limitedForMs: number;
  /** When the next delayed task is due; 0 for none. */
  readonly nextDueAt: number;
}

const NOTHING: FetchReply = { task: undefined, again: false, limitedForMs: 0, nextDueAt: 0 };

/** A node that the strategy has passed over asks again after this time, ms: once others are waited for no longer. */
const PASSED_OVER_MS = PATIENCE_MS + 1;

/** What stands in the result or error of an ended task: the claim that has ended it, and why it did not complete. */
const storedEnd = z.object({ by: z.string(), kind: z.string().optional() });

// BullMQ's scripts unpack MessagePack maps, not msgpackr's own records.
const packer = new Packr({ useRecords: false });

type JobArguments = (string | number | boolean | Buffer)[];

export interface PoolBackendOptions extends AskingOptions {
  readonly visibilityTimeoutMs: number;
  readonly retention: Pick<Retention, 'usageMs'>;
  readonly redis: Redis;
  readonly blocking: Redis;
}

/**
 * One pool's queue in Redis as a node sees it: BullMQ's backend with its claim, completion and retry scripts replaced by
 * the fenced ones. Each method is one round trip and one atomic step.
 */
export class PoolBackend extends RedisQueueBackend {
  readonly #redis: Redis;
  readonly #wait: string;
  readonly #asking: Asking;
  readonly #keys: MeshKeys;
  readonly #owner: Incarnation;
  readonly #circuits: Circuits;
  readonly #visibilityTimeoutMs: number;
  readonly #usageMs: number;

  constructor(options: PoolBackendOptions) {
    const { pool, keys } = options;
    const connection = new RedisConnection(options.redis, { shared: true, blocking: false });
    const blocking = new RedisConnection(options.blocking, { shared: true, blocking: true });
    const toKey = (what: string) => keys.pool(pool, what);
    const names = 'wait active prioritized events stalled limiter delayed paused meta pc marker completed failed id de';
    const keyMap = Object.fromEntries(['', ...names.split(' ')].map((name) => [name, toKey(name)]));
    const workerOptions = {
      prefix: keys.bullPrefix,
      name: options.owner.nodeId,
      lockDuration: options.visibilityTimeoutMs,
    } satisfies Partial<WorkerOptions>;
    super(connection, pool, keyMap, toKey, workerOptions as unknown as WorkerOptions, blocking);
    this.#redis = options.redis;
    this.#wait = toKey('wait');
    this.#asking = new Asking(options);
    this.#keys = keys;
    this.#owner = options.owner;
    this.#circuits = options.circuits;
    this.#visibilityTimeoutMs = options.visibilityTimeoutMs;
    this.#usageMs = options.retention.usageMs;
  }

  /** Takes the next task, locked with `token`, if there is one for this node. @throws ClawmeshError `fenced`. */
  async claim(token: string, offer: Offer | undefined): Promise<FetchReply> {
    for (;;) {
      const reply = await fencedScripts.claim.run(
        this.#redis,
        [this.#wait],
        [token, this.#visibilityTimeoutMs, ...this.#asking.arguments(offer)],
      );
      if (reply === FOR_ANOTHER_NODE) return { ...NOTHING, limitedForMs: PASSED_OVER_MS };
      if (reply !== CIRCUITS_CHANGED) return this.#fetched(reply);
      await this.#circuits.refresh();
    }
  }

  /**
   * Ends the task, and takes the next one with `next` where that is given.
   *
   * @throws ClawmeshError `fenced`; `claim-lost` where another holds the task by now, or it is gone.
   */
  async finish(
    claim: Claim,
    end: { status: EndedState; reason: string; detail: TaskResult | TaskError },
    next: { readonly token: string; readonly offer: Offer } | undefined,
  ): Promise<FetchReply> {
    const completed = end.status === 'completed';
    const detail = JSON.stringify({ ...end.detail, by: claim.token });
    const args = [
      claim.taskId,
      claim.token,
      end.status,
      completed ? detail : end.reason,
      completed ? '' : packer.pack(['cm:error', detail]),
      claim.maxAttempts,
      completed ? usageOf(claim, end.detail as TaskResult, this.#usageMs) : '',
      next?.token ?? '',
      this.#visibilityTimeoutMs,
      ...this.#asking.arguments(next?.offer),
    ];
    const reply = await fencedScripts.finish.run(this.#redis, [this.#wait], args);
    if (typeof reply === 'number' && CLAIM_GONE.has(reply) && (await this.#endedBy(claim, end.status))) return NOTHING;
    return this.#fetched(reply, claim);
  }

  /** Puts the task back for another attempt after `delayMs`. @throws as {@link finish}. */
  async retry(claim: Claim, delayMs: number, reason: string): Promise<void> {
    const bull = this.moveToDelayedArgs(claim.taskId, 0, claim.token, delayMs) as JobArguments;
    const [keys, args] = splitArguments(bull, retryKeyCount);
    const reply = await fencedScripts.retry.run(
      this.#redis,
      [...keys, this.#keys.incarnations],
      [...args, reason, ...this.#ownerArguments()],
    );
    this.#fetched(reply, claim);
  }

  /** Whether this very claim has ended the task so before: the first answer got lost, and the report was sent again. */
  async #endedBy(claim: Claim, status: EndedState): Promise<boolean> {
    const field = status === 'completed' ? 'returnvalue' : 'cm:error';
    const end = readField(storedEnd, await this.#redis.hget(this.#keys.task(claim.pool, claim.taskId), field));
    return end?.by === claim.token && (end.kind === 'cancelled') === (status === 'cancelled');
  }

  #ownerArguments(): [string, number] {
    return [this.#owner.nodeId, this.#owner.incarnation];
  }

  #fetched(reply: unknown, claim?: Claim): FetchReply {
    throwIfRefused(reply, this.#owner, claim);
    if (!Array.isArray(reply)) return NOTHING;
    // BullMQ's own form, [hash as a flat list or 0, id, rate limit, next due time]; read by hand on the hot path.
    const [fields, id, limit, due] = reply as [string[] | 0 | 'again', string, unknown, unknown];
    if (fields === 'again') return { ...NOTHING, again: true };
    const rest = { again: false, limitedForMs: Number(limit), nextDueAt: Number(due) };
    return { task: Array.isArray(fields) ? { id: String(id), fields: pairsToMap(fields) } : undefined, ...rest };
  }
}

function splitArguments(bull: JobArguments, keyCount: number): [string[], (string | number | Buffer)[]] {
  const args = bull.slice(keyCount).map((value) => (typeof value === 'boolean' ? Number(value) : (value ?? '')));
  return [bull.slice(0, keyCount) as string[], args];
}

/** What the run has used, for the sums; '' where that is not known. */
function usageOf({ spec }: Claim, { usage, model }: TaskResult, keepMs: number): Buffer | '' {
  if (!usage) return '';
  const names = [spec.agent ?? '', model ?? spec.model ?? ''].map((name) => name.toWellFormed());
  return packer.pack([...names, usage.input, usage.output, usage.total, usage.cost ?? '', keepMs]);
}
