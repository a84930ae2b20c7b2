import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Incarnation } from '../domain/claim.ts';
import type { MeshKeys } from '../redis/keys.ts';
import type { NodeHolder } from './node-holder.ts';
import { formatNodeMessage } from './node-message.ts';

const beatenRecord = z.object({ incarnation: z.number() });

/** Finds out which process has a node id: by a question on the presence channel of the node's incarnation. */
export class Holders {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;

  constructor(redis: Redis, keys: MeshKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  /** The node's incarnation (0 if it never registered), and the number of connections that show its presence. */
  async present(nodeId: string): Promise<{ incarnation: number; connections: number }> {
    const incarnation = Number((await this.#redis.hget(this.#keys.incarnations, nodeId)) ?? 0);
    const [, connections] = await this.#redis.pubsub('NUMSUB', this.#channel({ nodeId, incarnation }));
    return { incarnation, connections: Number(connections) };
  }

  /** Whether this incarnation has registered, but has not sent a heartbeat yet. */
  async isStarting({ nodeId, incarnation }: Incarnation): Promise<boolean> {
    const [text, lease] = await Promise.all([
      this.#redis.hget(this.#keys.nodes, nodeId),
      this.#redis.zscore(this.#keys.leases, nodeId),
    ]);
    return lease !== null && beatenIncarnation(text) !== incarnation;
  }

  /** Asks the question; a live process replies on {@link answerChannel}. */
  async ask(owner: Incarnation, question: string): Promise<void> {
    await this.#redis.publish(this.#channel(owner), formatNodeMessage({ type: 'who', question }));
  }

  /** Replies to a question; ignores text that is none. */
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
