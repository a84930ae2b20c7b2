import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Incarnation } from '../domain/claim.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { MeshEventName } from '../domain/mesh-event.ts';
import {
  type DesiredState,
  type GateState,
  type Node,
  type NodeRecord,
  OPENCLAW_MODES,
  type SeenNode,
} from '../domain/node.ts';
import { isThere, REPORTED_STATES } from '../domain/node-state.ts';
import type { NewPause } from '../domain/pause.ts';
import { wellFormedJson } from '../domain/text.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { ServerInfo } from '../redis/server-info.ts';
import { pauseDetails } from '../redis/stored-pause.ts';
import { redisTime } from '../redis/time.ts';
import { type ActiveClaim, readActiveClaims } from './active-claims.ts';
import { type Desired, readDesired } from './desired-state.ts';
import { formatNodeMessage } from './node-message.ts';
import { scripts } from './scripts.ts';
import { readSwept, type SweepOptions, type Swept } from './sweeping.ts';

const storedRecord: z.ZodType<NodeRecord> = z.object({
  incarnation: z.number(),
  state: z.enum(REPORTED_STATES),
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  uptimeMs: z.number(),
  labels: z.record(z.string(), z.string()),
  allow: z.object({ agents: z.array(z.string()).optional(), models: z.array(z.string()).optional() }).optional(),
  pools: z.record(z.string(), z.object({ concurrency: z.number(), running: z.number() })),
  maxTasks: z.number().optional(),
  running: z.array(z.string()),
  openclaw: z.object({
    mode: z.enum(OPENCLAW_MODES),
    version: z.string().nullable(),
    expected: z.string().nullable(),
    healthy: z.boolean(),
  }),
  configDigest: z.string(),
  gates: z.array(
    z.object({ name: z.string(), open: z.boolean(), reason: z.string().nullable(), fix: z.string().nullable() }),
  ),
  load: z.object({ cpu: z.number(), memory: z.number(), eventLoopDelayMs: z.number() }),
  channels: z.array(z.string()).optional(),
  journal: z.object({ pending: z.number(), discarded: z.number() }),
  leaseMs: z.number(),
});

/**
 * How long a death's tasks are reserved, ms of Redis time. A time before `reservedFrom` means that the clock went back;
 * then the reservation is over.
 */
const storedReservation = z.object({ reservedFrom: z.number(), reservedUntil: z.number() });
const pairOfNumbers = z.tuple([z.number(), z.number()]);
const beatReply = z.tuple([z.number(), z.string()], z.unknown());
const aroundReply = z.tuple([z.string()], z.union([z.string(), z.number(), z.null()]));

/** What a node sees of the rest of the mesh in Redis. */
export interface Around {
  /** What Redis does when its memory is full; undefined if it does not say. */
  readonly redisPolicy: string | undefined;
  readonly pausedPools: string[];
  /** Config digests of some present nodes, picked at random, by node. */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * The nodes of the mesh: one lease per node in Redis time, and the record of its last heartbeat.
 *
 * A node's incarnation is its fencing token: every change by a node carries it. Redis refuses the change once it has
 * assigned a larger one.
 */
export class NodeRegistry {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /**
   * Starts a new incarnation of the node and fences the earlier one. Other nodes may requeue its tasks at once, or
   * after `adoptionWindowMs`, in which the new incarnation can adopt them. `redisTime` is in ms. With `previous`,
   * registers only if that is the node's current incarnation (0: none).
   *
   * @throws ClawmeshError `fenced` if the current incarnation is another one.
   */
  async register(
    nodeId: string,
    pools: readonly string[],
    leaseMs: number,
    adoptionWindowMs = 0,
    previous?: number,
  ): Promise<{ incarnation: number; redisTime: number }> {
    const args = [nodeId, leaseMs, adoptionWindowMs, previous ?? '', ...pools];
    const reply = await scripts.registerNode.run(this.#redis, this.#keys, args);
    if (reply === 'fenced') throw new ClawmeshError('fenced', `another daemon of node ${nodeId} has just started`);
    const [incarnation, redisTime] = pairOfNumbers.parse(reply);
    return { incarnation, redisTime };
  }

  /**
   * One heartbeat, with a sweep unless another node has just swept. A stopped record gives up the lease.
   *
   * @throws ClawmeshError `fenced`.
   * @returns Redis time (ms), what an operator wants of the node, and the result of the sweep.
   */
  async beat(
    owner: Incarnation,
    record: NodeRecord,
    options: SweepOptions,
  ): Promise<{ redisTime: number; swept: Swept } & Desired> {
    const leaseMs = record.state === 'stopped' ? 0 : record.leaseMs;
    const { nodeId, incarnation } = owner;
    const args = [nodeId, incarnation, leaseMs, wellFormedJson(record), ...sweepArguments(options)];
    const reply = await scripts.beatNode.run(this.#redis, this.#keys, args);
    if (reply === 'fenced') {
      throw new ClawmeshError('fenced', `incarnation ${incarnation} of node ${nodeId} was replaced or declared dead`);
    }
    const [redisTime, desired, ...swept] = beatReply.parse(reply);
    return { redisTime, ...readDesired(desired), swept: readSwept(swept) };
  }

  /** Declares dead nodes dead, and wakes a node for each pool with work; see `includes/sweep.lua`. */
  async sweep(options: SweepOptions): Promise<Swept> {
    const args = [options.nodeId, ...sweepArguments(options)];
    return readSwept(await scripts.sweepNodes.run(this.#redis, this.#keys, args));
  }

  /**
   * The deaths with tasks to be requeued, as `<node>~<incarnation>`, without those whose tasks are reserved for
   * adoption.
   */
  async pendingDeaths(): Promise<string[]> {
    const deaths = await this.#redis.hgetall(this.#keys.deaths);
    const now = await this.redisTime();
    return Object.keys(deaths).filter((owner) => {
      const hold = storedReservation.safeParse(parseJson(deaths[owner] ?? '')).data;
      return !hold || now < hold.reservedFrom || now >= hold.reservedUntil;
    });
  }

  /** Call this once the tasks of these dead incarnations have been requeued. */
  async clearDeaths(owners: readonly string[]): Promise<void> {
    if (owners.length > 0) await this.#redis.hdel(this.#keys.deaths, ...owners);
  }

  /** Records the gates of the node that have closed or opened. */
  async noteGates({ nodeId }: Incarnation, changed: readonly GateState[]): Promise<void> {
    if (changed.length === 0) return;
    const now = await this.redisTime();
    for (const { name, open, reason } of changed) {
      const event: MeshEventName = open ? 'gate-open' : 'gate-closed';
      const what = ['event', event, 'node', nodeId, 'gate', name, 'reason', reason ?? ''];
      await this.#redis.xadd(this.#keys.events, 'MAXLEN', '~', 10_000, '*', 'at', now, ...what);
    }
  }

  /**
   * Ends the reservation once the node has adopted its runs: other nodes may requeue the remaining tasks of the earlier
   * incarnation.
   */
  async endReservation(owner: Incarnation): Promise<void> {
    const field = `${owner.nodeId}~${owner.incarnation}`;
    const death = parseJson((await this.#redis.hget(this.#keys.deaths, field)) ?? '');
    if (typeof death !== 'object' || death === null) return;
    await this.#redis.hset(this.#keys.deaths, field, JSON.stringify({ ...death, reservedUntil: 0 }));
  }

  /** Declares a node dead on request of an operator. @returns its incarnation; undefined if there is no such node. */
  async evict(nodeId: string, leaseMs: number): Promise<number | undefined> {
    const reply = await scripts.evictNode.run(this.#redis, this.#keys, [nodeId, leaseMs]);
    if (reply === 'unknown') return undefined;
    const incarnation = Number(reply);
    await this.#notify(nodeId, incarnation);
    return incarnation;
  }

  /**
   * Sets a node's desired state and notifies the node; `resume` clears it. @returns false if there is no such node.
   */
  async setDesiredState(nodeId: string, desired: Exclude<DesiredState, 'pause'> | 'resume'): Promise<boolean> {
    return this.#desire([nodeId, desired === 'resume' ? '' : desired, 0, '']);
  }

  /** Pauses a node and notifies it. @returns false if there is no such node. */
  async pause(nodeId: string, pause: NewPause): Promise<boolean> {
    return this.#desire([nodeId, 'pause', pause.forMs ?? 0, pauseDetails(pause)]);
  }

  async #desire(args: [nodeId: string, ...rest: (string | number)[]]): Promise<boolean> {
    const reply = await scripts.setDesiredState.run(this.#redis, this.#keys, args);
    if (reply === 'unknown') return false;
    await this.#notify(args[0], Number(reply));
    return true;
  }

  /** Tells a node to stop the run of a cancelled task. */
  async tellCancelled(owner: Incarnation, taskId: string): Promise<void> {
    await this.#redis.publish(this.presenceChannel(owner), formatNodeMessage({ type: 'cancel', taskId }));
  }

  /** Tells all nodes to check at once: a pool was paused or resumed. */
  async tellPaused(): Promise<void> {
    await this.#redis.publish(this.#keys.meshChannel, formatNodeMessage({ type: 'look' }));
  }

  /** Tells all nodes that the mesh has work, so that they sweep at the shorter interval. */
  async tellBusy(): Promise<void> {
    await this.#redis.publish(this.#keys.meshChannel, formatNodeMessage({ type: 'busy' }));
  }

  /** The channels to subscribe to: the node's own, and that of all nodes. */
  channels(owner: Incarnation): readonly [own: string, all: string] {
    return [this.presenceChannel(owner), this.#keys.meshChannel];
  }

  /** The channel that shows the presence of this incarnation, and that carries messages to it. */
  presenceChannel(owner: Incarnation): string {
    return `${this.#keys.presenceChannels}${owner.nodeId}~${owner.incarnation}`;
  }

  async #notify(nodeId: string, incarnation: number): Promise<void> {
    await this.#redis.publish(this.presenceChannel({ nodeId, incarnation }), formatNodeMessage({ type: 'beat' }));
  }

  /**
   * Samples the mesh for a node that serves these pools, with `count` random nodes. If every node read the records of
   * all others, a mesh of a thousand nodes would do little else.
   */
  async sampleMesh(pools: readonly string[], count: number): Promise<Around> {
    const reply = await scripts.sampleMesh.run(this.#redis, this.#keys, [count, ...pools]);
    const [memory, ...rest] = aroundReply.parse(reply);
    const digests = new Map<string, string>();
    for (let i = pools.length; i + 1 < rest.length; i += 2) {
      const record = parseRecord(String(rest[i + 1] ?? ''));
      if (record && record.state !== 'stopped') digests.set(String(rest[i]), record.configDigest);
    }
    return {
      redisPolicy: ServerInfo.from(memory).evictionPolicy || undefined,
      pausedPools: pools.filter((_, i) => rest[i] === 1),
      digests,
    };
  }

  async redisTime(): Promise<number> {
    return redisTime(this.#redis);
  }

  /** The desired state of the node; undefined for none. */
  async wanted(nodeId: string): Promise<DesiredState | undefined> {
    return readDesired((await this.#redis.hget(this.#keys.control, nodeId)) ?? '').desired;
  }

  /** The last known state of one node; undefined if it never sent a heartbeat. */
  async find(nodeId: string): Promise<SeenNode | undefined> {
    const [text, leaseEnds, now] = await Promise.all([
      this.#redis.hget(this.#keys.nodes, nodeId),
      this.#redis.zscore(this.#keys.leases, nodeId),
      this.redisTime(),
    ]);
    const record = text ? parseRecord(text) : undefined;
    return record && seenNode(nodeId, record, leaseEnds === null ? undefined : Number(leaseEnds), now);
  }

  /**
   * All known nodes and the tasks they run, by id. Locks are read after the heartbeats, so tasks that a node released
   * before it reported a drain no longer appear.
   */
  async list(): Promise<Node[]> {
    const nodes = await this.seen();
    const claims = Map.groupBy(await readActiveClaims(this.#redis, this.#keys), ({ owner }) => owner?.nodeId);
    return nodes.map((node) => withClaims(node, claims.get(node.id) ?? []));
  }

  /** All known nodes, by id. Unreadable records (from a newer clawmesh) are left out. */
  async seen(): Promise<SeenNode[]> {
    const [records, leases, now] = await Promise.all([
      this.#redis.hgetall(this.#keys.nodes),
      this.#redis.zrange(this.#keys.leases, 0, '-1', 'WITHSCORES'),
      this.redisTime(),
    ]);
    const expiry = new Map<string, number>();
    for (let i = 0; i + 1 < leases.length; i += 2) expiry.set(leases[i] as string, Number(leases[i + 1]));
    return Object.entries(records)
      .flatMap(([id, text]) => {
        const record = parseRecord(text);
        return record ? [seenNode(id, record, expiry.get(id), now)] : [];
      })
      .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  }
}

/** The arguments for `sweepOptions` in `includes/sweep.lua`. */
function sweepArguments(options: SweepOptions): (string | number)[] {
  const { intervalMs, stallMs, idleStallMs, leaseMs, graceMs, passMs, pools } = options;
  return [intervalMs, stallMs, idleStallMs, leaseMs, graceMs, passMs, ...pools];
}

function parseRecord(text: string): NodeRecord | undefined {
  return storedRecord.safeParse(parseJson(text)).data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function seenNode(id: string, record: NodeRecord, leaseEnds: number | undefined, now: number): SeenNode {
  const { leaseMs, running: _, pools, ...rest } = record;
  const stopped = record.state === 'stopped';
  const dead = !stopped && (leaseEnds === undefined || leaseEnds <= now);
  return {
    id,
    ...rest,
    pools: Object.fromEntries(Object.entries(pools).map(([pool, { concurrency }]) => [pool, { concurrency }])),
    state: dead ? 'dead' : record.state,
    heartbeatAgeMs: stopped || leaseEnds === undefined ? null : Math.max(0, now - (leaseEnds - leaseMs)),
  };
}

function withClaims(node: SeenNode, claims: readonly ActiveClaim[]): Node {
  const runs = ({ isCurrent }: ActiveClaim) => isCurrent && isThere(node.state);
  const ids = (some: readonly ActiveClaim[]) => some.map(({ taskId }) => taskId).sort();
  const pools = Object.entries(node.pools).map(([pool, { concurrency }]) => {
    const running = claims.filter((claim) => claim.pool === pool && runs(claim)).length;
    return [pool, { concurrency, running }] as const;
  });
  return {
    ...node,
    pools: Object.fromEntries(pools),
    running: ids(claims.filter(runs)),
    orphaned: ids(claims.filter((claim) => !runs(claim))),
  };
}
