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
 * How long the strategy waits for a node after a wake-up, ms. A node that has not asked by then froze, died or lost its
 * connection, and is skipped until it asks by itself. This is about 50 times the duration of a wake-up, but too short
 * for people to notice.
 */
const PATIENCE_MS = 100;
/**
 * A node that the strategy has refused a task asks again after this time, ms: when the wait for other nodes is over.
 */
const PASSED_OVER_MS = PATIENCE_MS + 1;
/** Log lines kept per task; the oldest are dropped first. */
const LOG_LINES = 1_000;

export interface ClaimsOptions {
  readonly pool: string;
  readonly owner: Incarnation;
  readonly labels: Labels;
  readonly allow?: Allowed | undefined;
  readonly keys: MeshKeys;
  readonly redis: Redis;
  readonly circuits: Circuits;
  /** Called at each use, since the config may change. */
  readonly strategy: () => DispatchStrategy;
  /** How long the strategy waits for a node after a wake-up, ms; 100 by default. */
  readonly patienceMs?: number | undefined;
  readonly visibilityTimeoutMs: number;
  readonly retention: Pick<Retention, 'usageMs'>;
}

/** A task that this node has claimed, as Redis returns it. */
export interface ClaimedTask {
  readonly id: string;
  readonly token: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Redis' reply to a request for the next task. Times are Redis time, ms. */
export interface NextTask {
  readonly task: ClaimedTask | undefined;
  /** Another task may be available: the first one had to wait for its session. */
  readonly again: boolean;
  /** Time without a task for this node (ms): the pool is rate-limited, or the strategy has woken another node. */
  readonly limitedForMs: number;
  /** When the next delayed task is due; 0 for none. */
  readonly nextDueAt: number;
  /** The circuits are no longer as this node knows them, so the report of a run brought no task. */
  readonly circuitsChanged: boolean;
}

const NOTHING: NextTask = {
  task: undefined,
  again: false,
  limitedForMs: 0,
  nextDueAt: 0,
  circuitsChanged: false,
};

const admitted = z.tuple([z.string()]);
/**
 * The part of an ended task's result or error that names the claim that ended it, and why the task did not complete.
 */
const storedEnd = z.object({ by: z.string(), kind: z.string().optional() });

type Argument = string | number;

/**
 * The claims of one node in one pool. Each method is one script and one atomic step. It checks that the node is not
 * fenced and still has the claim, and changes nothing otherwise.
 *
 * Every method throws a ClawmeshError `fenced`. Methods about a claim also throw `claim-lost` if another claim has the
 * task by now, or the task is gone. A claim that has only lapsed is renewed and the request repeated, since Redis'
 * clock may have jumped.
 */
export class Claims {
  readonly #options: ClaimsOptions;
  /** This node's labels and allowed agents and models, for the scripts that check them. */
  readonly #record: string;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    this.#record = JSON.stringify({ labels: options.labels, allow: options.allow });
  }

  /** Claims the next task with the lock `token`; without an offer, regardless of the strategy. */
  async next(token: string, offer: Offer | undefined): Promise<NextTask> {
    for (;;) {
      const reply = await this.#call(scripts.claim, [token, ...this.#claimRequest(offer)]);
      if (reply === 'for-another-node') return { ...NOTHING, limitedForMs: PASSED_OVER_MS };
      if (reply !== 'circuits-changed') return nextTask(reply, token);
      await this.#options.circuits.refresh();
    }
  }

  /** Claims the first task that is held for this reason and that this node may run, with the lock `token`. */
  async nextHeld(token: string, reason: string): Promise<ClaimedTask | undefined> {
    const { visibilityTimeoutMs } = this.#options;
    const reply = await this.#call(scripts.claimHeld, [token, visibilityTimeoutMs, this.#record, reason]);
    return nextTask(reply, token).task;
  }

  /** Ends the task, and claims the next one if `next` is given. A repeated report changes nothing. */
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

  /** Delays the task until its next attempt. */
  async retry(claim: Claim, pauseMs: number, reason: string): Promise<void> {
    await this.#callFor(claim, scripts.retry, [pauseMs, reason]);
  }

  /**
   * Takes a claimed task out of the line until the condition for its release is met. `failed` says why its run failed,
   * if it has started.
   *
   * @returns false if the task may run (its circuit has closed, or it is the probe), or if its run failed and no
   * further run is left.
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
   * Admits a claimed task to its session, which its hash does not name yet.
   *
   * @returns undefined if the task has to wait, and is held; else the previous sticky node of the session, '' for none.
   */
  async admit(claim: Claim): Promise<string | undefined> {
    const session = sessionOf(claim.spec) ?? '';
    const reply = await this.#callFor(claim, scripts.admitClaim, [session, needsOf(claim.spec), this.#record]);
    return reply === 'held' ? undefined : admitted.parse(reply)[0];
  }

  /**
   * Requeues the task at the head of the pool, for a node whose login the provider accepts.
   *
   * @returns false if the task has no further run.
   */
  async reassign(claim: Claim, reason: string): Promise<boolean> {
    const args = [reason, claim.maxAttempts, this.#preferredHere(claim)];
    return (await this.#callFor(claim, scripts.reassign, args)) === 'done';
  }

  /** Releases the task to the head of its pool; false if this node had lost the claim. */
  async release(claim: Claim, reason: HandoverReason): Promise<boolean> {
    try {
      await this.#callFor(claim, scripts.release, [reason]);
      return true;
    } catch (error) {
      if (hasCode(error, 'claim-lost')) return false;
      throw error;
    }
  }

  /** Renews claims, lapsed ones included if no other node has taken their tasks. Returns the lost claims. */
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

  /** The claims of this incarnation in Redis, except those with known lock tokens. */
  async unknown(known: Iterable<string>): Promise<ClaimedTask[]> {
    return claimedTasks(await this.#call(scripts.ownClaims, [...known]));
  }

  /**
   * Adopts the claims of the node's earlier incarnations: of the named tasks, or all. Their new lock tokens are
   * numbered from `firstToken`.
   */
  async adopt(taskIds: readonly string[] | 'all', firstToken: number): Promise<ClaimedTask[]> {
    const wanted = taskIds === 'all' ? [] : taskIds;
    return claimedTasks(
      await this.#call(scripts.adoptClaims, [this.#options.visibilityTimeoutMs, firstToken, ...wanted]),
    );
  }

  /** Runs a script on behalf of this node. */
  async #call(script: Script, args: readonly Argument[]): Promise<unknown> {
    const { redis, keys, pool, owner } = this.#options;
    const reply = await script.run(redis, keys, [pool, owner.nodeId, owner.incarnation, ...args]);
    if (reply !== 'fenced') return reply;
    throw new ClawmeshError('fenced', `incarnation ${owner.incarnation} of node ${owner.nodeId} is fenced`);
  }

  /** Runs a script on behalf of one claim. */
  async #callFor(claim: Claim, script: Script, args: readonly Argument[]): Promise<unknown> {
    const request = () => this.#call(script, [claim.token, claim.taskId, ...args]);
    let reply = await request();
    if (reply === 'claim-gone' && (await this.#isStillOurs(claim))) reply = await request();
    if (reply !== 'claim-gone') return reply;
    throw new ClawmeshError('claim-lost', `the claim on task ${claim.taskId} is lost`);
  }

  async #isStillOurs(claim: Claim): Promise<boolean> {
    try {
      return (await this.renew([claim])).length === 0;
    } catch (error) {
      if (hasCode(error, 'fenced')) return false;
      throw error;
    }
  }

  /**
   * Whether this very claim has already ended the task in this way: the first reply was lost, and the report was sent
   * again.
   */
  async #hasEnded(claim: Claim, status: EndedState): Promise<boolean> {
    const field = status === 'completed' ? 'returnvalue' : 'cm:error';
    const { redis, keys } = this.#options;
    const end = readField(storedEnd, await redis.hget(keys.task(claim.pool, claim.taskId), field));
    return end?.by === claim.token && (end.kind === 'cancelled') === (status === 'cancelled');
  }

  /** The arguments of each request for the next task. */
  #claimRequest(offer: Offer | undefined): Argument[] {
    const { visibilityTimeoutMs, circuits, strategy, patienceMs = PATIENCE_MS } = this.#options;
    const chosen = offer ? strategy() : 'pull';
    const offered =
      offer && chosen !== 'pull' ? [chosen, offer.free, offer.running, offer.slots, offer.pressure, patienceMs] : [];
    return [visibilityTimeoutMs, this.#record, circuits.version, offered.join(' ')];
  }

  /** '1' if the task prefers this node. */
  #preferredHere({ spec }: Claim): '1' | '' {
    return spec.nodeFallback && spec.node === this.#options.owner.nodeId ? '1' : '';
  }
}

/** Parsed without a schema, because every task passes through here. */
function nextTask(reply: unknown, token: string): NextTask {
  if (!Array.isArray(reply)) return { ...NOTHING, again: reply === 'again' };
  const [id, hash, limited = 0, due = 0, changed = 0] = reply as [string, string[], number?, number?, number?];
  const task = id === '' ? undefined : { id, token, fields: pairsToMap(hash) };
  return { task, again: false, limitedForMs: limited, nextDueAt: due, circuitsChanged: changed === 1 };
}

function claimedTasks(reply: unknown): ClaimedTask[] {
  return (reply as [string, string, string[]][]).map(([id, token, hash]) => ({ id, token, fields: pairsToMap(hash) }));
}

/** The usage of the run for the daily sums; '' if it is not known. */
function usageOf({ spec }: Claim, { usage, model }: TaskResult, keepMs: number): string {
  if (!usage) return '';
  const names = [spec.agent ?? '', model ?? spec.model ?? ''].map((name) => name.toWellFormed());
  return JSON.stringify([...names, usage.input, usage.output, usage.total, usage.cost ?? false, keepMs]);
}
