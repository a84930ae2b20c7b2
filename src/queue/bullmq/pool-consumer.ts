import type { Redis } from 'ioredis';
import { circuitOf } from '../../domain/circuit.ts';
import { type Claim, claimToken } from '../../domain/claim.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Offer } from '../../domain/dispatch.ts';
import { hasCode } from '../../domain/errors.ts';
import type { HandoverReason } from '../../domain/handover.ts';
import { TASK_ID } from '../../domain/ids.ts';
import { POOL_NAME } from '../../domain/names.ts';
import { forOthers, type Target } from '../../domain/target.ts';
import { type Outcome, type TaskProgress, type TaskSpec, taskError } from '../../domain/task.ts';
import { type Backoff, backoffDelay } from '../backoff.ts';
import type { PoolQueue, ReportResult } from '../task-queue.ts';
import type { TaskSigner } from '../task-signer.ts';
import { type ClaimedTask, Claims, type ClaimsOptions, type NextTask } from './claims.ts';
import { renderMessage } from './render-message.ts';
import { type Retention, removeExpired } from './retention.ts';
import type { Schedules } from './schedules.ts';
import { sessionContext } from './session-context.ts';
import { storedClaim } from './stored-claim.ts';
import { readField, storedProgress } from './task-fields.ts';
import { WorkWait } from './work-wait.ts';

export interface PoolConsumerOptions extends ClaimsOptions {
  /** This pool's own connection, because a blocking command occupies it. */
  readonly blocking: Redis;
  readonly retention: Retention;
  readonly backoff: Backoff;
  /** How many of the session's last exchanges precede the message if the session has to restart. */
  readonly sessionExchanges: number;
  /** Shared by all pools of the node, as the circuits are. */
  readonly schedules: Schedules;
  /** Decides which tasks may run at all. */
  readonly signer: TaskSigner;
  readonly clock: Clock;
  /** Redis time minus the wall-clock time of `clock`, ms; called at each use. */
  readonly clockOffset: () => number;
}

/** {@link PoolQueue} on BullMQ. */
export class PoolConsumer implements PoolQueue {
  readonly pool: string;
  readonly #options: PoolConsumerOptions;
  readonly #claims: Claims;
  readonly #wait: WorkWait;
  /** Number of lock tokens used so far. */
  #tokens = 0;
  /** Pending requests that may bring a task. */
  readonly #inFlight = new Set<Promise<unknown>>();
  /**
   * Lock tokens of the claims that this node knows. Not task ids: the node may claim a task again while an earlier
   * claim of it is ending.
   */
  readonly #claimed = new Set<string>();

  constructor(options: PoolConsumerOptions) {
    this.pool = options.pool;
    this.#options = options;
    this.#claims = new Claims(options);
    this.#wait = new WorkWait({ ...options, nodeId: options.owner.nodeId });
  }

  async waitForWork(): Promise<boolean> {
    return this.#wait.forWork();
  }

  async claim(offer?: Offer): Promise<Claim | undefined> {
    return this.#fetch((token) => this.#claims.next(token, offer));
  }

  async forwardWakeup(): Promise<void> {
    await this.#wait.forwardWakeup();
  }

  async claimHeld(target: string): Promise<Claim | undefined> {
    return this.#ask((token) => this.#claims.nextHeld(token, target));
  }

  async interrupt(): Promise<void> {
    await this.#wait.interrupt();
  }

  async report(
    claim: Claim,
    outcome: Outcome,
    offer?: Offer | undefined,
  ): Promise<{ settled: ReportResult; next: Claim | undefined }> {
    this.#wait.ask();
    const mustHold = await this.#options.circuits.observe(claim, outcome);
    if (!outcome.ok) {
      const why = `${outcome.error.kind}: ${outcome.error.message}`;
      if (mustHold) {
        const circuit = circuitOf(claim.spec);
        const held = await this.#ending(claim, () =>
          this.#claims.hold(claim, { kind: 'circuit', circuit }, { failed: why }),
        );
        if (held) return { settled: 'held', next: undefined };
      }
      if (outcome.error.retryable && claim.attempt < claim.maxAttempts) {
        const { backoff } = this.#options;
        const delay = claim.spec.backoffMs ?? backoff.delay;
        const delayMs = backoffDelay({ ...backoff, delay, max: Math.max(delay, backoff.max) }, claim.attempt);
        await this.#ending(claim, () => this.#claims.retry(claim, delayMs, why));
        return { settled: 'retry', next: undefined };
      }
    }
    const settled = outcome.ok ? 'completed' : outcome.error.kind === 'cancelled' ? 'cancelled' : 'failed';
    const end = outcome.ok
      ? { reason: '', detail: outcome.result }
      : { reason: outcome.error.message, detail: outcome.error };
    const finish = async (next?: { token: string; offer: Offer }) => {
      const reply = await this.#ending(claim, () => this.#claims.finish(claim, { status: settled, ...end }, next));
      // The task has ended already, so neither its report nor the next run waits for this.
      if (reply.circuitsChanged) void this.#options.circuits.observeAgain(claim, outcome).catch(() => {});
      return reply;
    };
    if (offer) {
      return { settled, next: await this.#fetch((token) => finish({ token, offer })) };
    }
    await finish();
    return { settled, next: undefined };
  }

  async renderMessage(claim: Claim): Promise<string> {
    const { redis, keys, sessionExchanges } = this.#options;
    const before = await sessionContext(redis, keys, claim, sessionExchanges);
    // A quote may have been cut inside a character, and providers refuse half a character.
    return (before + (await renderMessage(redis, keys, claim.spec))).toWellFormed();
  }

  async reassign(claim: Claim, reason: string): Promise<boolean> {
    return this.#ending(claim, () => this.#claims.reassign(claim, reason));
  }

  async release(claim: Claim, reason: HandoverReason): Promise<boolean> {
    const done = await this.#ending(claim, () => this.#claims.release(claim, reason));
    this.#claimed.delete(claim.token);
    return done;
  }

  async log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void> {
    await this.#claims.log(claim, lines, progress);
  }

  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    return this.#claims.renew(claims);
  }

  async adopt(taskIds: readonly string[] | 'all'): Promise<Claim[]> {
    if (taskIds.length === 0) return [];
    const tasks = await this.#claims.adopt(taskIds, this.#tokens + 1);
    this.#tokens += tasks.length;
    const claims: Claim[] = [];
    for (const { id, token, fields } of tasks) {
      const claim = await this.#claimOf(id, token, fields, true);
      const { submittedTo = '' } = readField(storedProgress, fields.get('progress')) ?? {};
      if (claim) claims.push({ ...claim, resumes: submittedTo });
    }
    return claims;
  }

  async recover(): Promise<Claim[]> {
    const tasks = await this.#claims.unknown(this.#claimed);
    // Tasks claimed before this request become known once those pending requests have finished.
    await Promise.allSettled(this.#inFlight);
    const claims: Claim[] = [];
    for (const { id, token, fields } of tasks) {
      const claim = this.#claimed.has(token) ? undefined : await this.#claimOf(id, token, fields);
      if (claim) claims.push(claim);
    }
    return claims;
  }

  async removeExpired(): Promise<number> {
    const { keys, redis, retention } = this.#options;
    return removeExpired(redis, keys, this.pool, retention);
  }

  async close(): Promise<void> {
    this.#options.blocking.disconnect();
  }

  /** Requests a task with a new lock token. */
  async #ask(request: (token: string) => Promise<ClaimedTask | undefined>): Promise<Claim | undefined> {
    const token = claimToken(this.#options.owner, ++this.#tokens);
    const asked = request(token).then((task) => task && this.#claimOf(task.id, token, task.fields));
    this.#inFlight.add(asked);
    try {
      return await asked;
    } finally {
      this.#inFlight.delete(asked);
    }
  }

  /** Requests the next task; the reply also determines the next wait. */
  #fetch(request: (token: string) => Promise<NextTask>): Promise<Claim | undefined> {
    const answered = this.#wait.asking();
    return this.#ask(async (token) => {
      const reply = await request(token);
      answered(reply);
      return reply.task;
    });
  }

  /** Whether the task was held: it is for another node, or its circuit is open and another task is the probe. */
  async #isHeld(claim: Claim, needed?: Target): Promise<boolean> {
    const { circuits, owner, labels, allow } = this.#options;
    const circuit = circuitOf(claim.spec);
    const target = needed ?? forOthers(claim.spec, { id: owner.nodeId, labels, allow }, claim.fellBack);
    const held =
      target !== undefined
        ? await this.#claims.hold(claim, target)
        : circuits.isOpen(circuit) && (await this.#claims.hold(claim, { kind: 'circuit', circuit }));
    if (held) this.#claimed.delete(claim.token);
    return held;
  }

  /**
   * The claim, unless the task has to be held. Tasks queued by clawmesh have fields for their session and predecessors,
   * which the scripts check. Tasks of schedules and of other programs lack these fields, so the node checks them here.
   */
  async #admitted(claim: Claim, fields: ClaimedTask['fields']): Promise<Claim | undefined> {
    const { after } = claim.spec;
    let admitted: Claim | undefined = claim;
    if (after && after.length > 0 && !fields.has('cm:after')) {
      await this.#claims.hold(claim, { kind: 'after' }, { after });
      admitted = undefined;
    } else if (claim.spec.session !== undefined && !fields.has('cm:session')) {
      const movedFrom = await this.#claims.admit(claim);
      admitted = movedFrom === undefined ? undefined : { ...claim, movedFrom: movedFrom || claim.movedFrom };
    }
    if (admitted) return (await this.#isHeld(admitted)) ? undefined : admitted;
    this.#claimed.delete(claim.token);
    return undefined;
  }

  /**
   * Runs a request that ends a claim, unless it returns false. The claim stays known until Redis has confirmed its end
   * or reported it lost.
   */
  async #ending<T>(claim: Claim, request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      if (answer !== false) this.#claimed.delete(claim.token);
      return answer;
    } catch (error) {
      if (hasCode(error, 'claim-lost')) this.#claimed.delete(claim.token);
      throw error;
    }
  }

  /** `runs`: an earlier incarnation of the node has started the run, so it is too late to hold the task. */
  async #claimOf(id: string, token: string, fields: ClaimedTask['fields'], runs = false): Promise<Claim | undefined> {
    this.#claimed.add(token);
    const schedule = fields.get('rjk');
    // If this fails, the janitor queues the next task once this one has ended.
    if (schedule !== undefined) void this.#options.schedules.advance(this.pool, schedule, id).catch(() => {});
    const { claim, spec, newer } = storedClaim(id, this.pool, token, fields);
    const cancelled = fields.get('cm:cancel');
    if (
      newer !== undefined &&
      cancelled === undefined &&
      (await this.#isHeld(claim, { kind: 'format', format: newer }))
    )
      return undefined;
    // A foreign or unreadable task must not block the pool.
    const problem = !spec
      ? 'clawmesh cannot read the stored task'
      : fields.has('parentKey')
        ? 'the task is a child in a BullMQ flow, which clawmesh does not support; use --after'
        : (this.#options.signer.problem(spec, this.pool, id) ?? problemOfAfter(spec));
    const error =
      cancelled === undefined ? problem && taskError('invalid', problem) : taskError('cancelled', cancelled);
    if (!error) return runs ? claim : this.#admitted(claim, fields);
    await this.report(claim, { ok: false, error });
    return undefined;
  }
}

/** Scripts separate task names by spaces. Our own names never contain one; those of other programs may. */
function problemOfAfter({ after = [] }: TaskSpec): string | undefined {
  const fit = after.every(({ id, pool }) => TASK_ID.test(id) && POOL_NAME.test(pool));
  return fit ? undefined : 'after: contains an invalid task id or pool';
}
