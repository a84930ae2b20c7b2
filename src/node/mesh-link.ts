import type { LiveConfig } from '../config/live.ts';
import { nodeConfig } from '../config/node-settings.ts';
import { signingKeys } from '../config/security-settings.ts';
import type { Incarnation } from '../domain/claim.ts';
import type { ScheduleFailure } from '../domain/schedule.ts';
import { systemClock } from '../platform/clock.ts';
import { Circuits } from '../queue/bullmq/circuits.ts';
import { type HeldFor, releaseHeld } from '../queue/bullmq/held-tasks.ts';
import { PoolConsumer } from '../queue/bullmq/pool-consumer.ts';
import { type Requeued, requeueVoidClaims } from '../queue/bullmq/requeue.ts';
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

/** A node's way to the rest of its mesh: everything it does there goes through Redis. */
export interface MeshLink {
  readonly registry: NodeRegistry;
  /** Tells this mesh from every other one of the same name. */
  readonly id: string;
  readonly holders: Holders;
  /** A pool as one life of the node sees it; `clockOffset` is Redis time minus this machine's, ms, read anew at each use. */
  openQueue(pool: string, owner: Incarnation, clockOffset: () => number): Promise<PoolQueue>;
  openPresence(onNudge: (message: string) => void): Promise<Presence>;
  /** The events of the mesh, for those that tell people of them. */
  readonly alertFeed: AlertFeed;
  /** How long the first in line of each pool has waited, ms; 0 where none waits, or the pool is paused. */
  waitedMs(): Promise<ReadonlyMap<string, number>>;
  /** Mends schedules whose next task got lost; answers those that can't be mended. */
  mendSchedules(): Promise<readonly ScheduleFailure[]>;
  /** See {@link tidyMesh}. */
  tidyMesh(ownPools: readonly string[], onError: (error: unknown) => void): Promise<number>;
  /** Lets held tasks go on where what they wait for has come. */
  releaseHeld(): Promise<{ readonly heldFor: readonly HeldFor[] }>;
  /** Puts back the tasks of all dead nodes. */
  putBack(): Promise<Requeued[]>;
  /** Calls back whenever the lost connection is there again; answers how to end that. */
  onReconnect(listener: () => void): () => void;
  close(): void;
}

/** @throws ClawmeshError `redis` where Redis can't be reached or used; later outages are waited out. */
export async function openMeshLink(options: {
  live: LiveConfig;
  target: RedisTarget;
  nodeId: string;
  /** Whether there is a provider behind the runs; simulated ones have none. */
  hasProvider: boolean;
}): Promise<MeshLink> {
  const { live, target, nodeId, hasProvider } = options;
  const { config } = live;
  const { queue } = config;
  const { labels, allow } = nodeConfig(config, nodeId);
  const keys = MeshKeys.of(config);
  const { completed, failed, count, usage } = queue.keep;
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
        clock: systemClock,
        clockOffset,
      }),
    openPresence: async (onNudge) => new Presence(await connect('subscriber', `clawmesh:${nodeId}:presence`), onNudge),
    alertFeed: new AlertFeed(redis, keys, nodeId),
    waitedMs: () => new TaskReader(redis, keys).waitedMs(),
    mendSchedules: () => schedules.mend(),
    tidyMesh: (ownPools, onError) => tidyMesh(redis, keys, { nodeId, ownPools, retention, onError }),
    releaseHeld: () => releaseHeld(redis, keys, { stickyTimeoutMs: queue.stickyTimeout }),
    putBack: () =>
      requeueVoidClaims(redis, keys, {
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
