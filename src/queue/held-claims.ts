import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Claim, Incarnation } from '../domain/claim.ts';
import { needsOf, sessionOf } from '../domain/target.ts';
import type { TaskRef } from '../domain/task.ts';
import type { MeshKeys } from '../redis/keys.ts';
import { pairsToMap } from '../redis/pairs.ts';
import { scripts } from '../redis/scripts.ts';
import { Asking, type AskingOptions } from './asking.ts';
import { throwIfRefused } from './claim-codes.ts';
import { AFTER, HELD_SCORE, namesOf } from './held-tasks.ts';
import type { HeldTask } from './own-claims.ts';

const admitted = z.tuple([z.string()]);

/**
 * How a node lets go of claimed tasks that it shall not run, and takes those that only it may run. Every method throws a
 * ClawmeshError `fenced`, or `claim-lost` where the claim is gone.
 */
export class HeldClaims {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #owner: Incarnation;
  readonly #pool: string;
  readonly #visibilityTimeoutMs: number;
  readonly #asking: Asking;

  constructor(options: AskingOptions & { redis: Redis; visibilityTimeoutMs: number }) {
    this.#redis = options.redis;
    this.#keys = options.keys;
    this.#owner = options.owner;
    this.#pool = options.pool;
    this.#visibilityTimeoutMs = options.visibilityTimeoutMs;
    this.#asking = new Asking(options);
  }

  /**
   * Takes a claimed task out of the queue while its circuit is open, with `failed` after a run that failed because of that;
   * or for the nodes that may run it, or until what it comes after has completed.
   *
   * @returns false where the circuit is closed again, the task is the one to try it, or its run has failed and it has no
   * further one.
   */
  async hold(
    claim: Claim,
    reason: { circuit: string; failed: string } | { target: string } | { after: readonly TaskRef[] },
  ): Promise<boolean> {
    const circuit = 'circuit' in reason ? reason.circuit : '';
    const why = 'target' in reason ? reason.target : 'after' in reason ? AFTER : `circuit:${circuit}`;
    const reply = await scripts.holdTask.run(
      this.#redis,
      [
        this.#keys.incarnations,
        this.#keys.circuits,
        ...this.#bull('active', 'delayed'),
        this.#keys.task(claim.pool, claim.taskId),
        this.#keys.heldTasks(this.#pool, why),
        this.#keys.held,
        ...this.#bull('events'),
      ],
      [
        ...this.#ownerArguments(),
        claim.token,
        claim.taskId,
        circuit,
        `${this.#pool} ${why}`,
        'circuit' in reason ? reason.failed : '',
        HELD_SCORE,
        why,
        this.#pool,
        claim.maxAttempts,
        sessionOf(claim.spec) ?? '',
        this.#preferred(claim),
        'after' in reason ? namesOf(reason.after) : '',
      ],
    );
    throwIfRefused(reply, this.#owner, claim);
    return reply === 1;
  }

  /**
   * Puts the task back to the head of the pool, for a node whose login the provider takes.
   *
   * @returns false where it has no further run.
   */
  async passOn(claim: Claim, reason: string): Promise<boolean> {
    const reply = await scripts.passOn.run(
      this.#redis,
      [
        this.#keys.incarnations,
        ...this.#bull('active'),
        this.#keys.task(claim.pool, claim.taskId),
        ...this.#bull('wait', 'prioritized', 'marker', 'meta', 'events', 'pc'),
      ],
      [...this.#ownerArguments(), claim.token, claim.taskId, reason, claim.maxAttempts, this.#preferred(claim)],
    );
    throwIfRefused(reply, this.#owner, claim);
    return reply === 1;
  }

  /** Takes the oldest task that is held for this reason, locked with `token`, if there is one. */
  async claim(why: string, token: string): Promise<HeldTask | undefined> {
    const reply = await scripts.claimHeld.run(
      this.#redis,
      [
        this.#keys.heldTasks(this.#pool, why),
        ...this.#bull('delayed', 'active', 'events', 'meta'),
        this.#keys.incarnations,
        this.#keys.held,
        this.#keys.lastTokens,
        ...this.#bull('limiter'),
      ],
      [
        token,
        this.#visibilityTimeoutMs,
        `${this.#pool} ${why}`,
        this.#keys.task(this.#pool, ''),
        ...this.#ownerArguments(),
        this.#asking.names,
        `${this.#pool}:${this.#owner.nodeId}`,
      ],
    );
    throwIfRefused(reply, this.#owner);
    if (!Array.isArray(reply)) return undefined;
    const [id, hash] = reply as [string, string[]];
    return { id, token, fields: pairsToMap(hash) };
  }

  /**
   * Has a claimed task enter its session, whose hash does not name that yet; see `admit-claim.lua`.
   *
   * @returns undefined where it has to wait, and is held; else the node that the session was at home on before, '' for none.
   */
  async admit(claim: Claim): Promise<string | undefined> {
    const reply = await scripts.admitClaim.run(
      this.#redis,
      [
        this.#keys.incarnations,
        this.#keys.task(claim.pool, claim.taskId),
        ...this.#bull('active', 'delayed', 'events'),
      ],
      [
        ...this.#ownerArguments(),
        claim.token,
        claim.taskId,
        sessionOf(claim.spec) ?? '',
        needsOf(claim.spec),
        this.#asking.names,
      ],
    );
    throwIfRefused(reply, this.#owner, claim);
    return reply === 'held' ? undefined : admitted.parse(reply)[0];
  }

  /** '1' where the task would rather run here than elsewhere. */
  #preferred({ spec }: Claim): '1' | '' {
    return spec.nodeFallback && spec.node === this.#owner.nodeId ? '1' : '';
  }

  #bull(...names: readonly string[]): string[] {
    return names.map((name) => this.#keys.pool(this.#pool, name));
  }

  #ownerArguments(): [string, number] {
    return [this.#owner.nodeId, this.#owner.incarnation];
  }
}
