import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Incarnation } from '../domain/claim.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { Node, NodeRecord } from '../domain/node.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { scripts } from '../redis/scripts.ts';

const storedRecord: z.ZodType<NodeRecord> = z.object({
  incarnation: z.number(),
  state: z.enum(['up', 'gated', 'draining', 'stopped']),
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  uptimeMs: z.number(),
  pools: z.record(z.string(), z.object({ concurrency: z.number(), running: z.number() })),
  running: z.array(z.string()),
  openclaw: z.object({
    mode: z.enum(['gateway', 'exec', 'simulate']),
    version: z.string().nullable(),
    expected: z.string().nullable(),
    healthy: z.boolean(),
  }),
  configDigest: z.string(),
  gates: z.array(z.object({ name: z.string(), open: z.boolean(), reason: z.string().nullable() })),
  load: z.object({ cpu: z.number(), memory: z.number(), eventLoopDelayMs: z.number() }),
  leaseMs: z.number(),
});

const pairOfNumbers = z.tuple([z.number(), z.number()]);

/**
 * Who is there: one lease per node in Redis time, and the record that came with its last heartbeat.
 *
 * A node's incarnation is the fence: every change a node makes carries it, and is refused once Redis has given out a
 * larger one.
 */
export class NodeRegistry {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** Starts a new life of the node; its former one is fenced from here on. `redisTime` is in ms. */
  async register(
    nodeId: string,
    pools: readonly string[],
    leaseMs: number,
  ): Promise<{ incarnation: number; redisTime: number }> {
    const reply = await scripts.registerNode.run(
      this.#redis,
      [this.#keys.incarnations, this.#keys.leases, this.#keys.pools],
      [nodeId, leaseMs, ...pools],
    );
    const [incarnation, redisTime] = pairOfNumbers.parse(reply);
    return { incarnation, redisTime };
  }

  /** One heartbeat; a stopped record gives the lease up. @throws ClawmeshError `fenced`. @returns Redis time, ms. */
  async beat(owner: Incarnation, record: NodeRecord): Promise<number> {
    const leaseMs = record.state === 'stopped' ? 0 : record.leaseMs;
    const reply = await scripts.beatNode.run(
      this.#redis,
      [this.#keys.incarnations, this.#keys.leases, this.#keys.nodes],
      [owner.nodeId, owner.incarnation, leaseMs, JSON.stringify(record)],
    );
    const [alive, redisTime] = pairOfNumbers.parse(reply);
    if (alive === 1) return redisTime;
    throw new ClawmeshError('fenced', `${owner.nodeId} incarnation ${owner.incarnation} was replaced or declared dead`);
  }

  /** One node; undefined where it never was there. */
  async find(nodeId: string): Promise<Node | undefined> {
    return (await this.list()).find((node) => node.id === nodeId);
  }

  /** All nodes that were ever there, by id. Records that can't be read (a newer clawmesh's) are left out. */
  async list(): Promise<Node[]> {
    const [records, leases, time] = await Promise.all([
      this.#redis.hgetall(this.#keys.nodes),
      this.#redis.zrange(this.#keys.leases, 0, '-1', 'WITHSCORES'),
      this.#redis.time(),
    ]);
    const now = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000);
    const expiry = new Map<string, number>();
    for (let i = 0; i + 1 < leases.length; i += 2) expiry.set(leases[i] as string, Number(leases[i + 1]));
    return Object.entries(records)
      .flatMap(([id, text]) => {
        const record = parseRecord(text);
        return record ? [nodeView(id, record, expiry.get(id), now)] : [];
      })
      .sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  }
}

function parseRecord(text: string): NodeRecord | undefined {
  try {
    return storedRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function nodeView(id: string, record: NodeRecord, leaseEnds: number | undefined, now: number): Node {
  const { leaseMs, ...rest } = record;
  const stopped = record.state === 'stopped';
  const dead = !stopped && (leaseEnds === undefined || leaseEnds <= now);
  return {
    id,
    ...rest,
    state: dead ? 'dead' : record.state,
    heartbeatAgeMs: stopped || leaseEnds === undefined ? null : Math.max(0, now - (leaseEnds - leaseMs)),
  };
}
