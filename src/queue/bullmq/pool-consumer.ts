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
  /** This pool's own connection: one blocking command holds it. */
  readonly blocking: Redis;
  readonly retention: Retention;
  readonly backoff: Backoff;
  /** So many of a session's last exchanges go before the message of one that has to start anew. */
  readonly sessionExchanges: number;
  /** Shared by all pools of the node, as are the circuits. */
  readonly schedules: Schedules;
  /** Tells which tasks may be run at all. */
  readonly signer: TaskSigner;
  readonly clock: Clock;
  /** Redis time minus wall-clock time of `clock`, ms; read at each use. */
  readonly clockOffset: () => number;
}

/** {@link PoolQueue} on BullMQ. */
export class PoolConsumer implements PoolQueue {
  readonly pool: string;
  readonly #options: PoolConsumerOptions;
  readonly #claims: Claims;
  readonly #wait: WorkWait;
  /** Lock tokens that were given out. */
  #tokens = 0;
  /** Requests that may bring a task, while they are under way. */
  readonly #inFlight = new Set<Promise<unknown>>();
  /**
   * Lock tokens of the claims that this node knows. Not tasks: the node may claim a task again while a former claim
   * ends.
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
    await this.#wait.reassign();
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
    const holds = await this.#options.circuits.observe(claim, outcome);
    if (!outcome.ok) {
      const why = `${outcome.error.kind}: ${outcome.error.message}`;
      if (holds) {
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
    const finish = (next?: { token: string; offer: Offer }) =>
      this.#ending(claim, () => this.#claims.finish(claim, { status: settled, ...end }, next));
    if (offer) {
      return { settled, next: await this.#fetch((token) => finish({ token, offer })) };
    }
    await finish();
    return { settled, next: undefined };
  }

  async renderMessage(claim: Claim): Promise<string> {
    const { redis, keys, sessionExchanges } = this.#options;
    const before = await sessionContext(redis, keys, claim, sessionExchanges);
    // What it quotes may have been cut inside a character, and providers refuse half of one.
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
    // What was claimed before this was asked is known once those requests have been worked off.
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

  /** Asks for a task under a new lock token. */
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

  /** Asks for the next task; the answer also tells how long to wait for the next one. */
  #fetch(request: (token: string) => Promise<NextTask>): Promise<Claim | undefined> {
    const answered = this.#wait.asking();
    return this.#ask(async (token) => {
      const reply = await request(token);
      answered(reply);
      return reply.task;
    });
  }

  /** Whether the task is held back: it is for another node, or its circuit is open and another one is trying it. */
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
   * The claim, unless the task is held back. What clawmesh queues has fields that name its session and what it comes
   * after,
   * which the scripts look at; for tasks of schedules and of other programs, which have none, the node does it here.
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

  /** Does what ends a claim, unless it answers false; it is ours until Redis has answered that, or that it is gone. */
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

  /** `runs`: an earlier incarnation of the node has begun the run, so it's too late to hold the task back. */
  async #claimOf(id: string, token: string, fields: ClaimedTask['fields'], runs = false): Promise<Claim | undefined> {
    this.#claimed.add(token);
    const schedule = fields.get('rjk');
    // Should this fail, the janitor queues the next one once this has ended.
    if (schedule !== undefined) void this.#options.schedules.advance(this.pool, schedule, id).catch(() => {});
    const { claim, spec, newer } = storedClaim(id, this.pool, token, fields);
    const cancelled = fields.get('cm:cancel');
    if (
      newer !== undefined &&
      cancelled === undefined &&
      (await this.#isHeld(claim, { kind: 'format', format: newer }))
    )
      return undefined;
    // Something that is no task of ours must not block the pool.
    const problem = !spec
      ? 'the stored task can not be read'
      : fields.has('parentKey')
        ? 'it is a child in a BullMQ flow, which would never hear of its end; use --after'
        : (this.#options.signer.problem(spec, this.pool, id) ?? problemOfAfter(spec));
    const error =
      cancelled === undefined ? problem && taskError('invalid', problem) : taskError('cancelled', cancelled);
    if (!error) return runs ? claim : this.#admitted(claim, fields);
    await this.report(claim, { ok: false, error });
    return undefined;
  }
}

/** Names of tasks stand between spaces where scripts look at them. Ours fit; those of other programs may not. */
function problemOfAfter({ after = [] }: TaskSpec): string | undefined {
  const fit = after.every(({ id, pool }) => TASK_ID.test(id) && POOL_NAME.test(pool));
  return fit ? undefined : 'after: names something that can be no task';
}
