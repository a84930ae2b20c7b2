import type { LiveConfig } from '../config/live.ts';
import { nodeConfig } from '../config/node-settings.ts';
import { signingKeys } from '../config/security-settings.ts';
import type { Incarnation } from '../domain/claim.ts';
import type { Clock } from '../domain/clock.ts';
import type { ScheduleFailure } from '../domain/schedule.ts';
import { Circuits } from '../queue/bullmq/circuits.ts';
import { type HeldFor, releaseHeld } from '../queue/bullmq/held-tasks.ts';
import { Outbox } from '../queue/bullmq/outbox.ts';
import { PoolConsumer } from '../queue/bullmq/pool-consumer.ts';
import { type Requeued, requeueOrphanedClaims } from '../queue/bullmq/requeue.ts';
import { Schedules } from '../queue/bullmq/schedules.ts';
import { TaskReader } from '../queue/bullmq/task-reader.ts';
import type { PoolQueue } from '../queue/task-queue.ts';
import { TaskSigner } from '../queue/task-signer.ts';
import { connectRedis, openRedis, type RedisTarget } from '../redis/connection.ts';
import { MeshKeys } from '../redis/keys.ts';
import { AlertFeed } from '../registry/alert-feed.ts';
import { Holders } from '../registry/holders.ts';
import { meshId } from '../registry/mesh-id.ts';
import { NodeRegistry } from '../registry/node-registry.ts';
import { Presence } from '../registry/presence.ts';
import { tidyMesh } from './tidy.ts';

/**
 * All that a node needs from Redis: its registry, its queues, its messages, and the work that nodes do for the whole mesh.
 */
export interface NodeBackend {
  readonly registry: NodeRegistry;
  /** Distinguishes this mesh from every other one of the same name. */
  readonly id: string;
  readonly holders: Holders;
  /**
   * A pool as one incarnation of the node sees it. `clockOffset` is Redis time minus this machine's, ms, read at each
   * use.
   */
  openQueue(pool: string, owner: Incarnation, clockOffset: () => number): Promise<PoolQueue>;
  openPresence(onMessage: (message: string) => void): Promise<Presence>;
  /** The outboxes of the mesh as one incarnation of the node sees them. */
  openOutbox(owner: Incarnation): Pick<Outbox, 'take' | 'report'>;
  /** The events of the mesh, for alerts. */
  readonly alertFeed: AlertFeed;
  /** How long the first in line of each pool has waited, ms; 0 if no task waits, or the pool is paused. */
  waitedMs(): Promise<ReadonlyMap<string, number>>;
  /** Repairs schedules whose next task got lost; returns those that can't be repaired. */
  mendSchedules(): Promise<readonly ScheduleFailure[]>;
  /** See {@link tidyMesh}. */
  tidyMesh(ownPools: readonly string[], onError: (error: unknown) => void): Promise<number>;
  /** Releases held tasks whose reason is gone. */
  releaseHeld(): Promise<{ readonly heldFor: readonly HeldFor[] }>;
  /** Requeues the tasks of all dead nodes. */
  requeue(): Promise<Requeued[]>;
  /** Calls back whenever a lost connection is restored; returns a function that ends this. */
  onReconnect(listener: () => void): () => void;
  close(): void;
}

/** @throws ClawmeshError `redis` if Redis can't be reached or used; later outages are waited out. */
export async function openNodeBackend(options: {
  live: LiveConfig;
  target: RedisTarget;
  nodeId: string;
  clock: Clock;
  /** See `Runner.capabilities`. */
  hasProvider: boolean;
}): Promise<NodeBackend> {
  const { live, target, nodeId, clock, hasProvider } = options;
  const { config } = live;
  const { queue } = config;
  const { labels, allow } = nodeConfig(config, nodeId);
  const keys = MeshKeys.of(config);
  const { completed, failed, count, usage } = queue.retention;
  const retention = { completedMs: completed, failedMs: failed, count, usageMs: usage };
  const connect = async (role: 'daemon' | 'blocking' | 'subscriber', name: string) => {
    const redis = connectRedis(target, role, name);
    await openRedis(redis, target);
    return redis;
  };
  const redis = await connect('daemon', `clawmesh:${nodeId}`);
  const schedules = new Schedules(redis, keys);
  const circuits = new Circuits(redis, keys, hasProvider ? queue.circuit : undefined);
  const signer = new TaskSigner(signingKeys(config), keys.bullPrefix);
  return {
    registry: new NodeRegistry(redis, keys),
    id: await meshId(redis, keys),
    holders: new Holders(redis, keys),
    openQueue: async (pool, owner, clockOffset) =>
      new PoolConsumer({
        pool,
        owner,
        labels,
        allow,
        keys,
        redis,
        blocking: await connect('blocking', `clawmesh:${nodeId}:${pool}:wait`),
        visibilityTimeoutMs: queue.visibilityTimeout,
        retention,
        backoff: queue.backoff,
        sessionExchanges: queue.sessionExchanges,
        circuits,
        strategy: () => live.config.dispatch.strategy,
        schedules,
        signer,
        clock,
        clockOffset,
      }),
    openPresence: async (onMessage) =>
      new Presence(await connect('subscriber', `clawmesh:${nodeId}:presence`), onMessage),
    openOutbox: (owner) => new Outbox(redis, keys, owner, signer),
    alertFeed: new AlertFeed(redis, keys, nodeId),
    waitedMs: () => new TaskReader(redis, keys).waitedMs(),
    mendSchedules: () => schedules.mend(),
    tidyMesh: (ownPools, onError) =>
      tidyMesh(redis, keys, {
        nodeId,
        ownPools,
        retention,
        giveUpAfterMs: live.config.delivery.giveUpAfter,
        onError,
      }),
    releaseHeld: () => releaseHeld(redis, keys, { stickyTimeoutMs: queue.stickyTimeout }),
    requeue: () =>
      requeueOrphanedClaims(redis, keys, {
        visibilityTimeoutMs: queue.visibilityTimeout,
        maxHandovers: queue.maxHandovers,
      }),
    onReconnect: (listener) => {
      redis.on('ready', listener);
      return () => redis.off('ready', listener);
    },
    close: () => redis.disconnect(),
  };
}
