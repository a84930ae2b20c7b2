import type { Redis } from 'ioredis';
import type { Incarnation } from '../domain/claim.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { pairsToMap } from '../redis/pairs.ts';
import { scripts } from '../redis/scripts.ts';

/** A task that a node holds, as Redis tells it. */
export interface HeldTask {
  readonly id: string;
  readonly token: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Finds the claims of one life of a node, in one pool, that it does not know of itself. */
export class OwnClaims {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #owner: Incarnation;
  readonly #pool: string;

  constructor(options: { redis: Redis; keys: MeshKeys; owner: Incarnation; pool: string }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#owner = options.owner;
    this.#pool = options.pool;
  }

  /** Those it holds, less the tasks it knows. @throws ClawmeshError `fenced`. */
  async unknown(known: Iterable<string>): Promise<HeldTask[]> {
    return this.#tasks(
      await scripts.ownClaims.run(this.#redis, this.#scriptKeys(), [
        this.#owner.nodeId,
        this.#owner.incarnation,
        this.#keys.task(this.#pool, ''),
        ...known,
      ]),
    );
  }

  /**
   * Takes over those of the node's former lives, of the named tasks or all; they get lock tokens that count on from
   * `firstToken`. @throws ClawmeshError `fenced`.
   */
  async adopt(
    taskIds: readonly string[] | 'all',
    options: { firstToken: number; visibilityTimeoutMs: number },
  ): Promise<HeldTask[]> {
    return this.#tasks(
      await scripts.adoptClaims.run(this.#redis, this.#scriptKeys(), [
        this.#owner.nodeId,
        this.#owner.incarnation,
        options.visibilityTimeoutMs,
        this.#keys.task(this.#pool, ''),
        options.firstToken,
        ...(taskIds === 'all' ? [] : taskIds),
      ]),
    );
  }

  #scriptKeys(): string[] {
    return [this.#keys.incarnations, this.#keys.pool(this.#pool, 'active')];
  }

  #tasks(reply: unknown): HeldTask[] {
    if (!Array.isArray(reply)) throw new ClawmeshError('fenced', `${this.#owner.nodeId} was replaced meanwhile`);
    return (reply as [string, string, string[]][]).map(([id, token, hash]) => ({
      id,
      token,
      fields: pairsToMap(hash),
    }));
  }
}
