import type { Redis } from 'ioredis';
import { circuitOf } from '../../domain/circuit.ts';
import { type Claim, claimToken } from '../../domain/claim.ts';
import type { Offer } from '../../domain/dispatch.ts';
import { hasCode } from '../../domain/errors.ts';
import type { HandoverReason } from '../../domain/handover.ts';
import { TASK_ID } from '../../domain/ids.ts';
import { POOL_NAME } from '../../domain/names.ts';
import { forOthers } from '../../domain/target.ts';
import { type Outcome, type TaskProgress, type TaskSpec, taskError } from '../../domain/task.ts';
import type { AskingOptions } from '../asking.ts';
import { type Backoff, backoffDelay } from '../backoff.ts';
import { fillIn } from '../fill-in.ts';
import { HeldClaims } from '../held-claims.ts';
import { LiveClaims } from '../live-claims.ts';
import { type HeldTask, OwnClaims } from '../own-claims.ts';
import { type Retention, removeExpired } from '../retention.ts';
import { sessionContext } from '../session-context.ts';
import { storedClaim } from '../stored-claim.ts';
import { readField, storedProgress } from '../task-fields.ts';
import type { PoolQueue, Settlement } from '../task-queue.ts';
import type { TaskSigner } from '../task-signer.ts';
import { type FetchReply, PoolBackend } from './pool-backend.ts';
import type { Schedules } from './schedules.ts';
import { WorkWait } from './work-wait.ts';

export interface PoolConsumerOptions extends AskingOptions {
  /** For commands; shared by all pools of the node. */
  readonly redis: Redis;
  /** This pool's own connection: one blocking command holds it. */
  readonly blocking: Redis;
  readonly visibilityTimeoutMs: number;
  readonly retention: Retention;
  readonly backoff: Backoff;
  /** So many of a session's last exchanges go before the message of one that has to start anew. */
  readonly sessionExchanges: number;
  /** Shared by all pools of the node, as are the circuits. */
  readonly schedules: Schedules;
  /** Tells which tasks may be run at all. */
  readonly signer: TaskSigner;
  /** Redis time minus this machine's, ms; read anew at each use. */
  readonly clockOffset: () => number;
}

/** {@link PoolQueue} on BullMQ. */
export class PoolConsumer implements PoolQueue {
  readonly pool: string;
  readonly #options: PoolConsumerOptions;
  readonly #backend: PoolBackend;
  readonly #wait: WorkWait;
  readonly #ownClaims: OwnClaims;
  readonly #heldClaims: HeldClaims;
  readonly #liveClaims: LiveClaims;
  #claims = 0;
  /** Requests that may bring a task, while they are under way. */
  readonly #asking = new Set<Promise<unknown>>();
  /** Tasks whose claim has been answered and has not ended. */
  readonly #held = new Set<string>();

  constructor(options: PoolConsumerOptions) {
    this.pool = options.pool;
    this.#options = options;
    this.#backend = new PoolBackend(options);
    this.#wait = new WorkWait({ ...options, nodeId: options.owner.nodeId, backend: this.#backend });
    this.#ownClaims = new OwnClaims(options);
    this.#heldClaims = new HeldClaims(options);
    this.#liveClaims = new LiveClaims(options);
    // Connection trouble shows up in each command; an emitter without a listener would end the process.
    this.#backend.on('error', () => {});
  }

  async waitForWork(): Promise<boolean> {
    return this.#wait.forWork();
  }

  async claim(offer?: Offer): Promise<Claim | undefined> {
    return this.#fetch((token) => this.#backend.claim(token, offer));
  }

  async passWakeUp(): Promise<void> {
    await this.#wait.passOn();
  }

  async claimHeld(target: string): Promise<Claim | undefined> {
    return this.#ask((token) => this.#heldClaims.claim(target, token));
  }

  async interrupt(): Promise<void> {
    await this.#wait.interrupt();
  }

  async report(
    claim: Claim,
    outcome: Outcome,
    offer?: Offer | undefined,
  ): Promise<{ settled: Settlement; next: Claim | undefined }> {
    this.#wait.ask();
    const holds = await this.#options.circuits.observe(claim, outcome);
    if (!outcome.ok) {
      const why = `${outcome.error.kind}: ${outcome.error.message}`;
      if (holds) {
        const circuit = circuitOf(claim.spec);
        const held = await this.#ending(claim, () => this.#heldClaims.hold(claim, { circuit, failed: why }));
        if (held) return { settled: 'held', next: undefined };
      }
      if (outcome.error.retryable && claim.attempt < claim.maxAttempts) {
        const { backoff } = this.#options;
        const delay = claim.spec.backoffMs ?? backoff.delay;
        const delayMs = backoffDelay({ ...backoff, delay, max: Math.max(delay, backoff.max) }, claim.attempt);
        await this.#ending(claim, () => this.#backend.retry(claim, delayMs, why));
        return { settled: 'retry', next: undefined };
      }
    }
    const settled = outcome.ok ? 'completed' : outcome.error.kind === 'cancelled' ? 'cancelled' : 'failed';
    const end = outcome.ok
      ? { reason: '', detail: outcome.result }
      : { reason: outcome.error.message, detail: outcome.error };
    const finish = (next?: { token: string; offer: Offer }) =>
      this.#ending(claim, () => this.#backend.finish(claim, { status: settled, ...end }, next));
    if (offer) {
      return { settled, next: await this.#fetch((token) => finish({ token, offer })) };
    }
    await finish();
    return { settled, next: undefined };
  }

  async fillIn(claim: Claim): Promise<string> {
    const { redis, keys, sessionExchanges } = this.#options;
    const before = await sessionContext(redis, keys, claim, sessionExchanges);
    // What it quotes may have been cut inside a character, and providers refuse half of one.
    return (before + (await fillIn(redis, keys, claim.spec))).toWellFormed();
  }

  async passOn(claim: Claim, reason: string): Promise<boolean> {
    return this.#ending(claim, () => this.#heldClaims.passOn(claim, reason));
  }

  async handBack(claim: Claim, reason: HandoverReason): Promise<boolean> {
    const done = await this.#ending(claim, () => this.#liveClaims.handBack(claim, reason));
    this.#held.delete(claim.taskId);
    return done;
  }

  async log(claim: Claim, lines: readonly string[], progress: TaskProgress | undefined): Promise<void> {
    await this.#liveClaims.log(claim, lines, progress);
  }

  async renew(claims: readonly Claim[]): Promise<Claim[]> {
    return this.#liveClaims.renew(claims);
  }

  async adopt(taskIds: readonly string[] | 'all'): Promise<Claim[]> {
    if (taskIds.length === 0) return [];
    const { visibilityTimeoutMs } = this.#options;
    const tasks = await this.#ownClaims.adopt(taskIds, { firstToken: this.#claims + 1, visibilityTimeoutMs });
    this.#claims += tasks.length;
    const claims: Claim[] = [];
    for (const { id, token, fields } of tasks) {
      const claim = await this.#claimOf(id, token, fields, true);
      const { submittedTo = '' } = readField(storedProgress, fields.get('progress')) ?? {};
      if (claim) claims.push({ ...claim, resumes: submittedTo });
    }
    return claims;
  }

  async recover(): Promise<Claim[]> {
    const tasks = await this.#ownClaims.unknown(this.#held);
    // What was claimed before this was asked is known once those requests have been worked off.
    await Promise.allSettled(this.#asking);
    const claims: Claim[] = [];
    for (const { id, token, fields } of tasks) {
      const claim = this.#held.has(id) ? undefined : await this.#claimOf(id, token, fields);
      if (claim) claims.push(claim);
    }
    return claims;
  }

  async removeExpired(): Promise<number> {
    const { keys, redis, retention } = this.#options;
    return removeExpired(redis, keys, this.pool, retention);
  }

  async close(): Promise<void> {
    await this.#backend.close();
    this.#options.blocking.disconnect();
  }

  /** Asks for a task under a new lock token. */
  async #ask(request: (token: string) => Promise<HeldTask | undefined>): Promise<Claim | undefined> {
    const token = claimToken(this.#options.owner, ++this.#claims);
    const asking = request(token).then((task) => task && this.#claimOf(task.id, token, task.fields));
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  /** Asks BullMQ for a task; its answer also tells how long to wait for the next one. */
  #fetch(request: (token: string) => Promise<FetchReply>): Promise<Claim | undefined> {
    const answered = this.#wait.asking();
    return this.#ask(async (token) => {
      const reply = await request(token);
      answered(reply);
      return reply.task && { ...reply.task, token };
    });
  }

  /** Whether the task is held back: it is for another node, or its circuit is open and another one is trying it. */
  async #isHeld(claim: Claim, needed?: string): Promise<boolean> {
    const { circuits, owner, labels, allow } = this.#options;
    const circuit = circuitOf(claim.spec);
    const target = needed ?? forOthers(claim.spec, { id: owner.nodeId, labels, allow }, claim.fellBack);
    const held =
      target !== undefined
        ? await this.#heldClaims.hold(claim, { target })
        : circuits.isOpen(circuit) && (await this.#heldClaims.hold(claim, { circuit, failed: '' }));
    if (held) this.#held.delete(claim.taskId);
    return held;
  }

  /**
   * The claim, unless the task is held back. What clawmesh queues has fields that name its session and what it comes after,
   * which the scripts look at; for tasks of schedules and of other programs, which have none, the node does it here.
   */
  async #admitted(claim: Claim, fields: HeldTask['fields']): Promise<Claim | undefined> {
    const { after } = claim.spec;
    let admitted: Claim | undefined = claim;
    if (after && after.length > 0 && !fields.has('cm:after')) {
      await this.#heldClaims.hold(claim, { after });
      admitted = undefined;
    } else if (claim.spec.session !== undefined && !fields.has('cm:session')) {
      const movedFrom = await this.#heldClaims.admit(claim);
      admitted = movedFrom === undefined ? undefined : { ...claim, movedFrom: movedFrom || claim.movedFrom };
    }
    if (admitted) return (await this.#isHeld(admitted)) ? undefined : admitted;
    this.#held.delete(claim.taskId);
    return undefined;
  }

  /** Does what ends a claim, unless it answers false; it is ours until Redis has answered that, or that it is gone. */
  async #ending<T>(claim: Claim, request: () => Promise<T>): Promise<T> {
    try {
      const answer = await this.#liveClaims.asHolder(claim, request);
      if (answer !== false) this.#held.delete(claim.taskId);
      return answer;
    } catch (error) {
      if (hasCode(error, 'claim-lost')) this.#held.delete(claim.taskId);
      throw error;
    }
  }

  /** `runs`: a former life of the node has begun the run, so it's too late to hold the task back. */
  async #claimOf(id: string, token: string, fields: HeldTask['fields'], runs = false): Promise<Claim | undefined> {
    this.#held.add(id);
    const schedule = fields.get('rjk');
    // Should this fail, the janitor queues the next one once this has ended.
    if (schedule !== undefined) void this.#options.schedules.advance(this.pool, schedule, id).catch(() => {});
    const { claim, spec, newer } = storedClaim(id, this.pool, token, fields);
    const cancelled = fields.get('cm:cancel');
    if (newer !== undefined && cancelled === undefined && (await this.#isHeld(claim, `format:${newer}`)))
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
