import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Incarnation } from '../domain/claim.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { NodeHolder } from './node-holder.ts';
import { formatNodeMessage } from './node-message.ts';

const beatenRecord = z.object({ incarnation: z.number() });

/** Which process holds a node id: a question on the presence channel of the node's incarnation, and its answer. */
export class Holders {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** The node's incarnation, 0 where it never was there; and how many connections show the presence of that one. */
  async present(nodeId: string): Promise<{ incarnation: number; connections: number }> {
    const incarnation = Number((await this.#redis.hget(this.#keys.incarnations, nodeId)) ?? 0);
    const [, connections] = await this.#redis.pubsub('NUMSUB', this.#channel({ nodeId, incarnation }));
    return { incarnation, connections: Number(connections) };
  }

  /** Whether this incarnation has registered, and not sent a heartbeat so far. */
  async isStarting({ nodeId, incarnation }: Incarnation): Promise<boolean> {
    const [text, lease] = await Promise.all([
      this.#redis.hget(this.#keys.nodes, nodeId),
      this.#redis.zscore(this.#keys.leases, nodeId),
    ]);
    return lease !== null && beatenIncarnation(text) !== incarnation;
  }

  /** Asks; the answer comes on {@link answerChannel}, if the process lives. */
  async ask(owner: Incarnation, question: string): Promise<void> {
    await this.#redis.publish(this.#channel(owner), formatNodeMessage({ type: 'who', question }));
  }

  /** Answers a question; what is none is left alone. */
  async answer(question: string, holder: NodeHolder): Promise<void> {
    if (!z.uuid().safeParse(question).success) return;
    await this.#redis.publish(this.answerChannel(question), JSON.stringify(holder));
  }

  answerChannel(question: string): string {
    return `${this.#keys.answerChannels}${question}`;
  }

  #channel({ nodeId, incarnation }: Incarnation): string {
    return `${this.#keys.presenceChannels}${nodeId}~${incarnation}`;
  }
}

function beatenIncarnation(record: string | null): number | undefined {
  try {
    return beatenRecord.safeParse(JSON.parse(record ?? '')).data?.incarnation;
  } catch {
    return undefined;
  }
}
