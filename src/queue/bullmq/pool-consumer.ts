import type { Redis } from 'ioredis';
import { type Claim, claimToken, type Incarnation } from '../../domain/claim.ts';
import { ClawmeshError, hasCode, messageOf } from '../../domain/errors.ts';
import { type Outcome, type TaskProgress, taskError } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { scripts } from '../../redis/scripts.ts';
import { type Backoff, backoffDelay } from '../backoff.ts';
import { requeueKeys } from '../requeue.ts';
import { readField, storedProgress, storedSpec } from '../task-fields.ts';
import type { PoolQueue, Settlement } from '../task-queue.ts';
import { type FetchReply, PoolBackend, pairsToMap, type Retention } from './pool-backend.ts';

/** How long an idle claim blocks before it looks again (s): BullMQ's own default, the bound on a lost wake-up. */
const IDLE_BLOCK_S = 5;
/** Log lines kept per task; the oldest go first. */
const LOG_LINES = 1_000;

/** Expired tasks removed per script: a few ms of Redis time. */
const REMOVE_BATCH = 200;

export interface PoolConsumerOptions {
  readonly pool: string;
  readonly owner: Incarnation;
  readonly keys: MeshKeys;
  /** For commands; shared by all pools of the node. */
  readonly redis: Redis;
  /** This pool's own connection: one blocking command holds it. */
  readonly blocking: Redis;
  readonly visibilityTimeoutMs: number;
  readonly retention: Retention;
  readonly backoff: Backoff;
  /** Redis time minus this machine's, ms; read anew at each use. */
  readonly clockOffset: () => number;
}

/** {@link PoolQueue} on BullMQ. */
export class PoolConsumer implements PoolQueue {
  readonly pool: string;
  readonly #options: PoolConsumerOptions;
  readonly #backend: PoolBackend;
  #claims = 0;
  /** Requests that may bring a task, while they are under way. */
  readonly #asking = new Set<Promise<unknown>>();
  /** Tasks whose claim has been answered and has not ended. */
  readonly #held = new Set<string>();
  /** The last answer was "nothing waiting", so the next claim blocks first. */
  #idle = false;
  #limitedUntil = 0;
  #nextDueAt = 0;
  #interrupted = false;

  constructor(options: PoolConsumerOptions) {
    this.pool = options.pool;
    this.#options = options;
    this.#backend = new PoolBackend(options);
    // Connection trouble shows up in each command; an emitter without a listener would end the process.
    this.#backend.on('error', () => {});
  }

  async claim(): Promise<Claim | undefined> {
    this.#interrupted = false;
    if (this.#idle && !(await this.#waitForWork())) return undefined;
    return this.#ask((token) => this.#backend.claim(token));
  }

  async interrupt(): Promise<void> {
    this.#interrupted = true;
    // Without a connection nothing is blocked in Redis; the claim ends by itself within seconds.
    if (this.#options.blocking.status !== 'ready') return;
    // Waits for the end of the old connection: reconnecting before it would be undone by its close.
    await this.#backend.disconnectBlocking(true);
    await this.#backend.reconnectBlocking();
    // The cut-off command may have just swallowed a wake-up; a needless one only costs a look.
    await this.#options.redis.zadd(this.#backend.keys.marker as string, 0, '0');
  }

  async report(
    claim: Claim,
    outcome: Outcome,
    fetchNext: boolean,
  ): Promise<{ settled: Settlement; next: Claim | undefined }> {
    if (!outcome.ok && outcome.error.retryable && claim.attempt < claim.maxAttempts) {
      const { kind, message } = outcome.error;
      const delayMs = backoffDelay(this.#options.backoff, claim.attempt);
      await this.#ending(claim, () => this.#backend.retry(claim, delayMs, `${kind}: ${message}`));
      return { settled: 'retry', next: undefined };
    }
    const settled = outcome.ok ? 'completed' : 'failed';
    const end = outcome.ok
      ? { reason: '', detail: outcome.result }
      : { reason: outcome.error.message, detail: outcome.error };
    const finish = (nextToken?: string) =>
      this.#ending(claim, () => this.#backend.finish(claim, { status: settled, ...end }, nextToken));
    if (fetchNext) return { settled, next: await this.#ask(finish) };
    await finish();
    return { settled, next: undefined };
  }

  async handBack(claim: Claim, reason: string): Promise<boolean> {
    const { keys, redis, owner } = this.#options;
    const done = await this.#ending(claim, () =>
      scripts.handBack.run(
        redis,
        [...requeueKeys(keys, this.pool), keys.task(this.pool, claim.taskId)],
        [claim.taskId, claim.token, this.pool, owner.nodeId, reason],
      ),
    );
    return done === 1;
  }

  async log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void> {
    const { keys, redis, owner } = this.#options;
    const code = await scripts.appendLog.run(
      redis,
      [keys.incarnations, keys.task(this.pool, claim.taskId)],
      [owner.nodeId, owner.incarnation, claim.token, LOG_LINES, progress ? JSON.stringify(progress) : '', ...lines],
    );
    if (code !== 0) throw new ClawmeshError('claim-lost', `the claim on task ${claim.taskId} is gone (code ${code})`);
  }

  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    if (claims.length === 0) return [];
    const { keys, redis, owner, visibilityTimeoutMs } = this.#options;
    const reply = await scripts.renewClaims.run(
      redis,
      [keys.incarnations, ...claims.map((claim) => keys.task(this.pool, claim.taskId))],
      [owner.nodeId, owner.incarnation, visibilityTimeoutMs, ...claims.map((claim) => claim.token)],
    );
    if (!Array.isArray(reply)) {
      throw new ClawmeshError('fenced', `${owner.nodeId} incarnation ${owner.incarnation} is fenced`);
    }
    return claims.filter((_, index) => reply[index] !== 1);
  }

  async adopt(taskIds: readonly string[] | 'all'): Promise<Claim[]> {
    if (taskIds.length === 0) return [];
    const { keys, redis, owner, visibilityTimeoutMs } = this.#options;
    const named = taskIds === 'all' ? [] : taskIds;
    const reply = await scripts.adoptClaims.run(
      redis,
      [keys.incarnations, keys.pool(this.pool, 'active')],
      [owner.nodeId, owner.incarnation, visibilityTimeoutMs, keys.task(this.pool, ''), this.#claims + 1, ...named],
    );
    if (!Array.isArray(reply)) throw new ClawmeshError('fenced', `${owner.nodeId} was replaced while it started`);
    this.#claims += reply.length;
    const claims: Claim[] = [];
    for (const [id, token, hash] of reply as [string, string, string[]][]) {
      const claim = await this.#claimOf(id, token, pairsToMap(hash));
      const { submittedTo = '' } = readField(storedProgress, pairsToMap(hash).get('progress')) ?? {};
      if (claim) claims.push({ ...claim, resumes: submittedTo });
    }
    return claims;
  }

  async recover(): Promise<Claim[]> {
    const { keys, redis, owner } = this.#options;
    const reply = await scripts.ownClaims.run(
      redis,
      [keys.incarnations, keys.pool(this.pool, 'active')],
      [owner.nodeId, owner.incarnation, keys.task(this.pool, ''), ...this.#held],
    );
    if (!Array.isArray(reply)) throw new ClawmeshError('fenced', `${owner.nodeId} was replaced meanwhile`);
    // What was claimed before this was asked is known once those requests have been worked off.
    await Promise.allSettled(this.#asking);
    const claims: Claim[] = [];
    for (const [id, token, hash] of reply as [string, string, string[]][]) {
      if (this.#held.has(id)) continue;
      const claim = await this.#claimOf(id, token, pairsToMap(hash));
      if (claim) claims.push(claim);
    }
    return claims;
  }

  async removeExpired(): Promise<number> {
    const now = Date.now() + this.#options.clockOffset();
    const { completedMs, failedMs } = this.#options.retention;
    const removed = [
      await this.#backend.cleanJobsByState('completed', now - completedMs, REMOVE_BATCH),
      await this.#backend.cleanJobsByState('failed', now - failedMs, REMOVE_BATCH),
    ];
    return removed.flat().length;
  }

  async close(): Promise<void> {
    await this.#backend.close();
    this.#options.blocking.disconnect();
  }

  /** Asks for a task under a new lock token. */
  async #ask(request: (token: string) => Promise<FetchReply>): Promise<Claim | undefined> {
    const token = claimToken(this.#options.owner, ++this.#claims);
    const asking = request(token).then((reply) => this.#take(reply, token));
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  /** Does what ends a claim; it is ours until Redis has answered that, or that it is gone. */
  async #ending<T>(claim: Claim, request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      this.#held.delete(claim.taskId);
      return answer;
    } catch (error) {
      if (hasCode(error, 'claim-lost')) this.#held.delete(claim.taskId);
      throw error;
    }
  }

  /** Blocks until there may be work: a marker, a delayed task that is due, or the time to look anyway. */
  async #waitForWork(): Promise<boolean> {
    const now = Date.now() + this.#options.clockOffset();
    const notBefore = Math.max(this.#limitedUntil, 0) - now;
    const dueInS = this.#nextDueAt > 0 ? Math.max((this.#nextDueAt - now) / 1000, 0) : IDLE_BLOCK_S;
    const blockS = Math.min(notBefore > 0 ? notBefore / 1000 : dueInS, IDLE_BLOCK_S);
    if (blockS < this.#backend.minimumBlockTimeout) return true;
    try {
      const marker = await this.#backend.waitForJob(blockS);
      // A marker with a time says when the next delayed task is due.
      if (marker && marker.score > 0) this.#nextDueAt = marker.score;
    } catch (error) {
      if (!this.#interrupted) throw new Error(`waiting for work failed: ${messageOf(error)}`, { cause: error });
    }
    return !this.#interrupted;
  }

  async #take(reply: FetchReply, token: string): Promise<Claim | undefined> {
    this.#idle = reply.task === undefined;
    this.#nextDueAt = reply.nextDueAt;
    this.#limitedUntil = reply.limitedForMs > 0 ? Date.now() + this.#options.clockOffset() + reply.limitedForMs : 0;
    if (!reply.task) return undefined;

    return this.#claimOf(reply.task.id, token, reply.task.fields);
  }

  async #claimOf(id: string, token: string, fields: ReadonlyMap<string, string>): Promise<Claim | undefined> {
    this.#held.add(id);
    const count = (name: string) => Number(fields.get(name) ?? 0);
    const spec = readField(storedSpec, fields.get('data'));
    const claim: Claim = {
      taskId: id,
      pool: this.pool,
      token,
      spec: spec ?? { message: '', tags: {} },
      attempt: count('atm') + 1,
      maxAttempts: spec?.attempts ?? 1,
      handovers: count('cm:handovers'),
      claimedAt: count('processedOn'),
    };
    if (spec) return claim;
    // Something that is no task of ours (or of a newer clawmesh) must not block the pool.
    await this.report(claim, { ok: false, error: taskError('invalid', 'the stored task can not be read') }, false);
    return undefined;
  }
}
