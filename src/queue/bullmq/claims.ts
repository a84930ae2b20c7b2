import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Claim, Incarnation } from '../../domain/claim.ts';
import type { DispatchStrategy, Offer } from '../../domain/dispatch.ts';
import { ClawmeshError, hasCode } from '../../domain/errors.ts';
import type { HandoverReason } from '../../domain/handover.ts';
import { formatHoldReason, type HoldReason } from '../../domain/hold-reason.ts';
import { type Allowed, type Labels, needsOf, sessionOf } from '../../domain/target.ts';
import type { TaskError, TaskProgress, TaskRef, TaskResult } from '../../domain/task.ts';
import type { EndedState } from '../../domain/task-state.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import { pairsToMap } from '../../redis/pairs.ts';
import type { Script } from '../../redis/scripts.ts';
import type { Circuits } from './circuits.ts';
import { namesOf } from './held-tasks.ts';
import type { Retention } from './retention.ts';
import { scripts } from './scripts.ts';
import { readField } from './task-fields.ts';

/**
 * A node that was called and has not asked after this time (ms) is passed over until it asks by itself: it froze, died
 * or was
 * cut off. 50 times what a call takes, and still nothing that people notice.
 */
const PATIENCE_MS = 100;
/** A node that the strategy has passed over asks again after this time, ms: once others are waited for no longer. */
const PASSED_OVER_MS = PATIENCE_MS + 1;
/** Log lines kept per task; the oldest go first. */
const LOG_LINES = 1_000;

export interface ClaimsOptions {
  readonly pool: string;
  readonly owner: Incarnation;
  readonly labels: Labels;
  readonly allow?: Allowed | undefined;
  readonly keys: MeshKeys;
  readonly redis: Redis;
  readonly circuits: Circuits;
  /** Read anew at each use. */
  readonly strategy: () => DispatchStrategy;
  /** How long a called node is waited for, ms; 100 unless told. */
  readonly patienceMs?: number | undefined;
  readonly visibilityTimeoutMs: number;
  readonly retention: Pick<Retention, 'usageMs'>;
}

/** A task that this node has claimed, as Redis tells it. */
export interface ClaimedTask {
  readonly id: string;
  readonly token: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** What Redis answers when asked for the next task. Times are Redis time, ms. */
export interface NextTask {
  readonly task: ClaimedTask | undefined;
  /** There may be another one: this one had to wait for its session. */
  readonly again: boolean;
  /** Nothing for this node for so long (ms): the pool is rate-limited, or the strategy has called another node. */
  readonly limitedForMs: number;
  /** When the next delayed task is due; 0 for none. */
  readonly nextDueAt: number;
}

const NOTHING: NextTask = { task: undefined, again: false, limitedForMs: 0, nextDueAt: 0 };

const admitted = z.tuple([z.string()]);
/** What stands in the result or error of an ended task: the claim that has ended it, and why it did not complete. */
const storedEnd = z.object({ by: z.string(), kind: z.string().optional() });

type Argument = string | number;

/**
 * The claims of one node in one pool. Each method is one script, and one atomic step: it checks that the node is not
 * fenced and
 * that the claim is its own, and changes nothing otherwise.
 *
 * Every method throws a ClawmeshError `fenced`; those that are about a claim also `claim-lost`, where another holds the
 * task
 * by now, or it is gone. A claim that has only lapsed is renewed, and the request made again: Redis' clock may have
 * jumped.
 */
export class Claims {
  readonly #options: ClaimsOptions;
  /** What this node is, for the scripts that look at it. */
  readonly #record: string;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    this.#record = JSON.stringify({ labels: options.labels, allow: options.allow });
  }

  /** Takes the next task, locked with `token`; without an offer whatever the strategy says. */
  async next(token: string, offer: Offer | undefined): Promise<NextTask> {
    for (;;) {
      const reply = await this.#call(scripts.claim, [token, ...this.#claimRequest(offer)]);
      if (reply === 'for-another-node') return { ...NOTHING, limitedForMs: PASSED_OVER_MS };
      if (reply !== 'circuits-changed') return nextTask(reply, token);
      await this.#options.circuits.refresh();
    }
  }

  /** Takes the first task that is held for this reason and that this node may run, locked with `token`. */
  async nextHeld(token: string, reason: string): Promise<ClaimedTask | undefined> {
    const { visibilityTimeoutMs } = this.#options;
    const reply = await this.#call(scripts.claimHeld, [token, visibilityTimeoutMs, this.#record, reason]);
    return nextTask(reply, token).task;
  }

  /**
   * Ends the task, and takes the next one with `next` where that is given. A report that is sent again changes nothing.
   */
  async finish(
    claim: Claim,
    end: { status: EndedState; reason: string; detail: TaskResult | TaskError },
    next: { readonly token: string; readonly offer: Offer } | undefined,
  ): Promise<NextTask> {
    const completed = end.status === 'completed';
    const detail = JSON.stringify({ ...end.detail, by: claim.token });
    try {
      const reply = await this.#callFor(claim, scripts.finish, [
        end.status,
        completed ? detail : end.reason,
        completed ? '' : detail,
        claim.maxAttempts,
        completed ? usageOf(claim, end.detail as TaskResult, this.#options.retention.usageMs) : '',
        next?.token ?? '',
        ...this.#claimRequest(next?.offer),
      ]);
      return nextTask(reply, next?.token ?? '');
    } catch (error) {
      if (hasCode(error, 'claim-lost') && (await this.#hasEnded(claim, end.status))) return NOTHING;
      throw error;
    }
  }

  /** Has the task wait for another attempt. */
  async retry(claim: Claim, pauseMs: number, reason: string): Promise<void> {
    await this.#callFor(claim, scripts.retry, [pauseMs, reason]);
  }

  /**
   * Takes a claimed task out of the queue until what it waits for comes; `failed`: why its run has failed, if it has
   * begun.
   *
   * @returns false where it may run (its circuit is closed again, or it is the one to try it), or where its run has
   * failed and it
   * has no further one.
   */
  async hold(
    claim: Claim,
    reason: HoldReason,
    { failed = '', after = [] }: { failed?: string; after?: readonly TaskRef[] } = {},
  ): Promise<boolean> {
    const reply = await this.#callFor(claim, scripts.holdTask, [
      formatHoldReason(reason),
      reason.kind === 'circuit' ? reason.circuit : '',
      failed,
      claim.maxAttempts,
      sessionOf(claim.spec) ?? '',
      this.#preferredHere(claim),
      namesOf(after),
    ]);
    return reply === 'held';
  }

  /**
   * Has a claimed task enter its session, whose hash does not name that yet.
   *
   * @returns undefined where it has to wait, and is held; else the node that the session was sticky to before, '' for
   * none.
   */
  async admit(claim: Claim): Promise<string | undefined> {
    const session = sessionOf(claim.spec) ?? '';
    const reply = await this.#callFor(claim, scripts.admitClaim, [session, needsOf(claim.spec), this.#record]);
    return reply === 'held' ? undefined : admitted.parse(reply)[0];
  }

  /**
   * Puts the task back to the head of the pool, for a node whose login the provider takes.
   *
   * @returns false where it has no further run.
   */
  async reassign(claim: Claim, reason: string): Promise<boolean> {
    const args = [reason, claim.maxAttempts, this.#preferredHere(claim)];
    return (await this.#callFor(claim, scripts.reassign, args)) === 'done';
  }

  /** Gives the task back to the head of its pool; false where the claim was no longer ours. */
  async release(claim: Claim, reason: HandoverReason): Promise<boolean> {
    try {
      await this.#callFor(claim, scripts.release, [reason]);
      return true;
    } catch (error) {
      if (hasCode(error, 'claim-lost')) return false;
      throw error;
    }
  }

  /** Renews claims, lapsed ones too as long as nobody has taken their tasks; answers those that are lost. */
  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    if (claims.length === 0) return [];
    const named = claims.flatMap(({ taskId, token, claimedAt }) => [taskId, token, claimedAt]);
    const reply = await this.#call(scripts.renewClaims, [this.#options.visibilityTimeoutMs, ...named]);
    const renewed = z.array(z.number()).parse(reply);
    return claims.filter((_, index) => renewed[index] !== 1);
  }

  /** Adds lines to the task's log and stores its latest progress. */
  async log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void> {
    await this.#callFor(claim, scripts.appendLog, [LOG_LINES, progress ? JSON.stringify(progress) : '', ...lines]);
  }

  /** Those that this incarnation of the node holds, less those whose lock tokens it knows. */
  async unknown(known: Iterable<string>): Promise<ClaimedTask[]> {
    return claimedTasks(await this.#call(scripts.ownClaims, [...known]));
  }

  /**
   * Takes over those of the node's earlier incarnations, of the named tasks or all; their lock tokens count on from
   * `firstToken`.
   */
  async adopt(taskIds: readonly string[] | 'all', firstToken: number): Promise<ClaimedTask[]> {
    const wanted = taskIds === 'all' ? [] : taskIds;
    return claimedTasks(
      await this.#call(scripts.adoptClaims, [this.#options.visibilityTimeoutMs, firstToken, ...wanted]),
    );
  }

  /** Runs a script of this node. */
  async #call(script: Script, args: readonly Argument[]): Promise<unknown> {
    const { redis, keys, pool, owner } = this.#options;
    const reply = await script.run(redis, keys, [pool, owner.nodeId, owner.incarnation, ...args]);
    if (reply !== 'fenced') return reply;
    throw new ClawmeshError('fenced', `${owner.nodeId} incarnation ${owner.incarnation} is fenced`);
  }

  /** Runs a script about one claim. */
  async #callFor(claim: Claim, script: Script, args: readonly Argument[]): Promise<unknown> {
    const request = () => this.#call(script, [claim.token, claim.taskId, ...args]);
    let reply = await request();
    if (reply === 'claim-gone' && (await this.#isStillOurs(claim))) reply = await request();
    if (reply !== 'claim-gone') return reply;
    throw new ClawmeshError('claim-lost', `the claim on task ${claim.taskId} is gone`);
  }

  async #isStillOurs(claim: Claim): Promise<boolean> {
    try {
      return (await this.renew([claim])).length === 0;
    } catch (error) {
      if (hasCode(error, 'fenced')) return false;
      throw error;
    }
  }

  /** Whether this very claim has ended the task so before: the first answer got lost, and the report was sent again. */
  async #hasEnded(claim: Claim, status: EndedState): Promise<boolean> {
    const field = status === 'completed' ? 'returnvalue' : 'cm:error';
    const { redis, keys } = this.#options;
    const end = readField(storedEnd, await redis.hget(keys.task(claim.pool, claim.taskId), field));
    return end?.by === claim.token && (end.kind === 'cancelled') === (status === 'cancelled');
  }

  /** What comes with each request for the next task. */
  #claimRequest(offer: Offer | undefined): Argument[] {
    const { visibilityTimeoutMs, circuits, strategy, patienceMs = PATIENCE_MS } = this.#options;
    const chosen = offer ? strategy() : 'pull';
    const offered =
      offer && chosen !== 'pull' ? [chosen, offer.free, offer.running, offer.slots, offer.pressure, patienceMs] : [];
    return [visibilityTimeoutMs, this.#record, circuits.version, offered.join(' ')];
  }

  /** '1' where the task would rather run here than elsewhere. */
  #preferredHere({ spec }: Claim): '1' | '' {
    return spec.nodeFallback && spec.node === this.#options.owner.nodeId ? '1' : '';
  }
}

/** Read by hand, on the way of every task. */
function nextTask(reply: unknown, token: string): NextTask {
  if (!Array.isArray(reply)) return { ...NOTHING, again: reply === 'again' };
  const [id, hash, limited = 0, due = 0] = reply as [string, string[], number?, number?];
  const task = id === '' ? undefined : { id, token, fields: pairsToMap(hash) };
  return { task, again: false, limitedForMs: limited, nextDueAt: due };
}

function claimedTasks(reply: unknown): ClaimedTask[] {
  return (reply as [string, string, string[]][]).map(([id, token, hash]) => ({ id, token, fields: pairsToMap(hash) }));
}

/** What the run has used, for the sums of the day; '' where that is not known. */
function usageOf({ spec }: Claim, { usage, model }: TaskResult, keepMs: number): string {
  if (!usage) return '';
  const names = [spec.agent ?? '', model ?? spec.model ?? ''].map((name) => name.toWellFormed());
  return JSON.stringify([...names, usage.input, usage.output, usage.total, usage.cost ?? false, keepMs]);
}
