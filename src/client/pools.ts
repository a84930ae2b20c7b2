import { notFound } from '../domain/not-found.ts';
import type { NewPause } from '../domain/pause.ts';
import type { PoolCounts } from '../domain/pool-counts.ts';
import { countEndedTasks, type EndedTasks } from '../queue/bullmq/ended-tasks.ts';
import { setPoolPaused } from '../queue/bullmq/pause-pool.ts';
import type { Strangers } from '../queue/bullmq/strangers.ts';
import type { HeldTasks, OldestTask } from '../queue/bullmq/task-reader.ts';
import { type PoolTimes, readTaskTimes } from '../queue/bullmq/task-times.ts';
import { checkedPause } from './checked-pause.ts';
import type { ClientContext } from './context.ts';

/** Reads and pauses pools. */
export class MeshPools {
  readonly #context: ClientContext;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** The names of all pools that were ever used or served, sorted. */
  async names(): Promise<string[]> {
    return this.#context.reader.pools();
  }

  /** Number of tasks by pool and state; of all pools if none are named. */
  async counts(pools?: readonly string[]): Promise<Map<string, PoolCounts>> {
    return this.#context.reader.counts(pools ?? (await this.names()));
  }

  /** Number of held tasks, by pool and reason. */
  async held(): Promise<HeldTasks[]> {
    return this.#context.reader.held();
  }

  /** Number of waiting tasks that any node may claim, by pool; paused pools are left out. */
  async inLine(): Promise<ReadonlyMap<string, number>> {
    return this.#context.reader.inLine();
  }

  /** How long the first waiting task of each pool has waited, ms; 0 if none waits or the pool is paused. */
  async waitedMs(): Promise<ReadonlyMap<string, number>> {
    return this.#context.reader.waitedMs();
  }

  /** The oldest waiting task of these pools; `now`: Redis time (ms). Undefined if none waits. */
  async oldestWaiting(pools: readonly string[], now: number): Promise<OldestTask | undefined> {
    return this.#context.reader.oldestWaiting(pools, now);
  }

  /** How long the tasks that ended in the last `periodMs` have waited and run, by pool; see {@link readTaskTimes}. */
  async times(periodMs: number): Promise<PoolTimes[]> {
    const { redis, keys, registry } = this.#context;
    const [pools, now] = await Promise.all([this.names(), registry.redisTime()]);
    return readTaskTimes(redis, keys, pools, now - periodMs);
  }

  /** How many tasks ended in each of `parts` equal parts of the last `periodMs`, the oldest part first. */
  async ended(periodMs: number, parts: number): Promise<EndedTasks[]> {
    const { redis, keys, registry } = this.#context;
    const [pools, to] = await Promise.all([this.names(), registry.redisTime()]);
    return countEndedTasks(redis, keys, pools, { from: to - periodMs, to, parts });
  }

  /** BullMQ workers on these pools that are not clawmesh nodes; `now`: Redis time (ms). */
  async strangers(pools: readonly string[], now: number): Promise<Strangers[]> {
    return this.#context.reader.strangers(pools, now);
  }

  /**
   * Pauses a pool in the whole mesh: nodes start no more of its tasks, but running tasks continue. With `forMs`, a node
   * resumes it within a minute after that time.
   *
   * @throws ClawmeshError `not-found`; `usage` for a note that is too long.
   */
  async pause(pool: string, pause: NewPause = {}): Promise<void> {
    await this.#setPaused(pool, checkedPause(pause));
  }

  /** Lets nodes claim from a paused pool again. @throws ClawmeshError `not-found`. */
  async resume(pool: string): Promise<void> {
    await this.#setPaused(pool, false);
  }

  async #setPaused(pool: string, pause: false | NewPause): Promise<void> {
    const { redis, keys, registry } = this.#context;
    await this.check(pool);
    await setPoolPaused(redis, keys, pool, pause);
    await registry.tellPaused();
  }

  /** Checks that the pool exists. @throws ClawmeshError `not-found`. */
  async check(pool: string): Promise<void> {
    const pools = await this.names();
    if (!pools.includes(pool)) throw notFound('pool', pool, pools);
  }
}
