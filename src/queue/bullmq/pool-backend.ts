import { type MinimalJob, RedisConnection, RedisQueueBackend, type WorkerOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import { z } from 'zod';
import type { Claim, Incarnation } from '../../domain/claim.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { bullKeyCounts, fencedScripts } from './fenced-scripts.ts';

/** What BullMQ answers when asked for a task. Times are Redis time, ms. */
export interface FetchReply {
  /** The task's hash and id, if there was one. */
  readonly task: { readonly id: string; readonly fields: ReadonlyMap<string, string> } | undefined;
  /** The pool is rate-limited for so long (ms). */
  readonly limitedForMs: number;
  /** When the next delayed task is due; 0 for none. */
  readonly nextDueAt: number;
}

export interface Retention {
  readonly completedMs: number;
  readonly failedMs: number;
}

const fetchReply = z.tuple([
  z.union([z.array(z.string()), z.literal(0), z.null()]),
  z.union([z.string(), z.number(), z.null()]),
  z.coerce.number(),
  z.coerce.number(),
]);

/** Result code of our preludes: the incarnation is not the node's current one. */
const FENCED = -20;
/** BullMQ: the task's hash, its lock or its place in the active list is gone, or the lock is someone else's. */
const CLAIM_GONE: ReadonlySet<number> = new Set([-1, -2, -3, -6]);

// BullMQ's scripts unpack MessagePack maps, not msgpackr's own records.
const packer = new Packr({ useRecords: false });

type JobArguments = (string | number | boolean | Buffer)[];

/**
 * One pool's queue in Redis as a node sees it: BullMQ's backend with its claim, completion and retry scripts replaced by
 * the fenced ones. Each method is one round trip and one atomic step.
 */
export class PoolBackend extends RedisQueueBackend {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #owner: Incarnation;
  readonly #retention: Retention;
  readonly #visibilityTimeoutMs: number;

  constructor(options: {
    pool: string;
    keys: MeshKeys;
    owner: Incarnation;
    visibilityTimeoutMs: number;
    retention: Retention;
    redis: Redis;
    blocking: Redis;
  }) {
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
    this.#keys = keys;
    this.#owner = options.owner;
    this.#retention = options.retention;
    this.#visibilityTimeoutMs = options.visibilityTimeoutMs;
  }

  /** Takes the next task, locked with `token`, if there is one. @throws ClawmeshError `fenced`. */
  async claim(token: string): Promise<FetchReply> {
    const { keys } = this.queue;
    const bullKeys = ['wait', 'active', 'prioritized', 'events', 'stalled', 'limiter', 'delayed', 'paused', 'meta'];
    const reply = await fencedScripts.claim.run(
      this.#redis,
      [...[...bullKeys, 'pc', 'marker'].map((name) => keys[name] as string), this.#keys.incarnations],
      [keys[''] as string, 0, this.#claimOptions(token), ...this.#ownerArguments()],
    );
    return this.#fetched(reply);
  }

  /**
   * Ends the task, and takes the next one with `nextToken` where one is given.
   *
   * @throws ClawmeshError `fenced`; `claim-lost` where another holds the task by now, or it is gone.
   */
  async finish(
    claim: Claim,
    end: { status: 'completed' | 'failed'; reason: string; fields: Record<string, string> },
    nextToken: string | undefined,
  ): Promise<FetchReply> {
    const completed = end.status === 'completed';
    const keepMs = completed ? this.#retention.completedMs : this.#retention.failedMs;
    const job = { id: claim.taskId, opts: { attempts: claim.maxAttempts } } as unknown as MinimalJob;
    const bull = this.moveToFinishedArgs(
      job,
      completed ? JSON.stringify(end.reason) : end.reason,
      completed ? 'returnvalue' : 'failedReason',
      { age: Math.ceil(keepMs / 1000) },
      end.status,
      claim.token,
      0,
      nextToken !== undefined,
      { ...end.fields, 'cm:finishedBy': claim.token },
    ) as JobArguments;
    const { key } = claim.spec;
    const [keys, args] = splitArguments(bull, bullKeyCounts.finish);
    const reply = await fencedScripts.finish.run(
      this.#redis,
      [...keys, this.#keys.idempotency(key ?? ''), this.#keys.incarnations],
      [...args, nextToken ?? '', claim.token, key === undefined ? 0 : keepMs, ...this.#ownerArguments()],
    );
    return this.#fetched(reply, claim);
  }

  /** Puts the task back for another attempt after `delayMs`. @throws as {@link finish}. */
  async retry(claim: Claim, delayMs: number, reason: string): Promise<void> {
    const bull = this.moveToDelayedArgs(claim.taskId, 0, claim.token, delayMs) as JobArguments;
    const [keys, args] = splitArguments(bull, bullKeyCounts.retry);
    const reply = await fencedScripts.retry.run(
      this.#redis,
      [...keys, this.#keys.incarnations],
      [...args, reason, ...this.#ownerArguments()],
    );
    this.#fetched(reply, claim);
  }

  /** BullMQ's claiming options: the lock's value and life (ms), and who has the task. */
  #claimOptions(token: string): Buffer {
    return packer.pack({ token, lockDuration: this.#visibilityTimeoutMs, name: this.#owner.nodeId });
  }

  #ownerArguments(): [string, number] {
    return [this.#owner.nodeId, this.#owner.incarnation];
  }

  #fetched(reply: unknown, claim?: Claim): FetchReply {
    if (reply === FENCED) {
      throw new ClawmeshError('fenced', `${this.#owner.nodeId} incarnation ${this.#owner.incarnation} is fenced`);
    }
    if (typeof reply === 'number' && CLAIM_GONE.has(reply)) {
      throw new ClawmeshError('claim-lost', `the claim on task ${claim?.taskId} is gone (code ${reply})`);
    }
    if (typeof reply === 'number' && reply < 0) {
      throw new Error(`BullMQ refused with code ${reply} for task ${claim?.taskId}`);
    }
    if (!Array.isArray(reply)) return { task: undefined, limitedForMs: 0, nextDueAt: 0 };
    const [fields, id, limitedForMs, nextDueAt] = fetchReply.parse(reply);
    if (!Array.isArray(fields)) return { task: undefined, limitedForMs, nextDueAt };
    return { task: { id: String(id), fields: pairsToMap(fields) }, limitedForMs, nextDueAt };
  }
}

function splitArguments(bull: JobArguments, keyCount: number): [string[], (string | number | Buffer)[]] {
  const args = bull.slice(keyCount).map((value) => (typeof value === 'boolean' ? Number(value) : (value ?? '')));
  return [bull.slice(0, keyCount) as string[], args];
}

function pairsToMap(flat: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(flat[i] as string, flat[i + 1] as string);
  return map;
}
