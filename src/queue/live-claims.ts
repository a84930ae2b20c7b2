import type { Redis } from 'ioredis';
import type { Claim, Incarnation } from '../domain/claim.ts';
import { ClawmeshError, hasCode } from '../domain/errors.ts';
import type { HandoverReason } from '../domain/handover.ts';
import type { TaskProgress } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { scripts } from '../redis/scripts.ts';
import { throwIfRefused } from './claim-codes.ts';
import { requeueKeys } from './requeue.ts';

/** Log lines kept per task; the oldest go first. */
const LOG_LINES = 1_000;

export interface LiveClaimsOptions {
  readonly pool: string;
  readonly owner: Incarnation;
  readonly redis: Redis;
  readonly keys: MeshKeys;
  readonly visibilityTimeoutMs: number;
}

/** What a node does with its claims of one pool while their runs go on. */
export class LiveClaims {
  readonly #options: LiveClaimsOptions;

  constructor(options: LiveClaimsOptions) {
    this.#options = options;
  }

  /** Renews claims, lapsed ones too as long as nobody has taken their tasks; answers those that are lost. @throws ClawmeshError `fenced`. */
  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    if (claims.length === 0) return [];
    const { keys, redis, owner, visibilityTimeoutMs } = this.#options;
    const reply = await scripts.renewClaims.run(
      redis,
      [keys.incarnations, ...claims.map((claim) => keys.task(this.#options.pool, claim.taskId))],
      [
        owner.nodeId,
        owner.incarnation,
        visibilityTimeoutMs,
        ...claims.flatMap(({ token, claimedAt }) => [token, claimedAt]),
      ],
    );
    if (!Array.isArray(reply)) {
      throw new ClawmeshError('fenced', `${owner.nodeId} incarnation ${owner.incarnation} is fenced`);
    }
    return claims.filter((_, index) => reply[index] !== 1);
  }

  /** Adds lines to the task's log and stores its latest progress. @throws ClawmeshError `claim-lost`, `fenced`. */
  async log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void> {
    const { keys, redis, owner } = this.#options;
    await this.asHolder(claim, async () => {
      const reply = await scripts.appendLog.run(
        redis,
        [keys.incarnations, keys.task(this.#options.pool, claim.taskId)],
        [owner.nodeId, owner.incarnation, claim.token, LOG_LINES, progress ? JSON.stringify(progress) : '', ...lines],
      );
      throwIfRefused(reply, owner, claim);
    });
  }

  /** Gives the task back to the head of its pool; false where the claim was no longer ours. @throws ClawmeshError `fenced`. */
  async handBack(claim: Claim, reason: HandoverReason): Promise<boolean> {
    const { keys, redis, owner, pool } = this.#options;
    const ask = async () => {
      const reply = await scripts.handBack.run(
        redis,
        [...requeueKeys(keys, pool), keys.task(pool, claim.taskId), keys.incarnations],
        [claim.taskId, claim.token, pool, owner.nodeId, reason, owner.incarnation],
      );
      throwIfRefused(reply, owner, claim);
      return reply === 1;
    };
    return (await ask()) || ((await this.#isStillOurs(claim)) && (await ask()));
  }

  /** Asks again where the claim had only lapsed, and nobody has taken the task: Redis' clock may have jumped. */
  async asHolder<T>(claim: Claim, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (hasCode(error, 'claim-lost') && (await this.#isStillOurs(claim))) return request();
      throw error;
    }
  }

  async #isStillOurs(claim: Claim): Promise<boolean> {
    try {
      return (await this.renew([claim])).length === 0;
    } catch (error) {
      if (hasCode(error, 'fenced')) return false;
      throw error;
    }
  }
}
