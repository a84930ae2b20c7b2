import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Incarnation } from '../../domain/claim.ts';
import { type Destination, WEBHOOK_BOX } from '../../domain/delivery.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import type { TaskError, TaskRef, TaskResult } from '../../domain/task.ts';
import type { MeshKeys } from '../../redis/keys.ts';
import type { TaskSigner } from '../task-signer.ts';
import { scripts } from './scripts.ts';
import { readField, storedError, storedResult, storedSpec } from './task-fields.ts';

/** How long an answer is reserved for the node that sends it, ms: longer than any try takes. */
export const RESERVATION_MS = 90_000;
/**
 * How long an answer that may have been sent is reserved for its node, ms: as long as the node's gateway recognizes a
 * repetition (OpenClaw 2026.9.6: 5 to 6 minutes).
 */
export const UNCERTAIN_MS = 300_000;
/** Answers given up per script call: well below a millisecond of Redis time. */
const EXPIRED_PER_CALL = 200;

/** The end of a task, as it is sent. */
export interface Answer {
  readonly taskId: string;
  readonly pool: string;
  readonly message: string;
  readonly agent: string | null;
  /** Null if the task did not complete. */
  readonly result: TaskResult | null;
  /** Null if the task completed. */
  readonly error: TaskError | null;
}

/** An answer that a node has taken from an outbox, to send it. */
export interface TakenDelivery {
  readonly pool: string;
  readonly taskId: string;
  readonly box: string;
  readonly token: string;
  /** The same for each try of this delivery whose result is unknown, and for no other delivery. */
  readonly idempotencyKey: string;
  /** Number of tries that have failed. */
  readonly tries: number;
  /** Time since the delivery began, ms. */
  readonly ageMs: number;
  /** What to send, and to whom; or why it must not be sent. */
  readonly content: { readonly destination: Destination; readonly answer: Answer } | { readonly problem: string };
}

/** How a try to send an answer ended. */
export type DeliveryOutcome =
  | { readonly outcome: 'delivered'; readonly reason?: string }
  | { readonly outcome: 'failed'; readonly reason: string }
  /** The message may have been sent. The node keeps the answer for {@link UNCERTAIN_MS}, and repeats it itself. */
  | { readonly outcome: 'uncertain'; readonly reason: string }
  | {
      readonly outcome: 'postponed';
      readonly reason: string;
      readonly pauseMs: number;
      /** The next try needs another idempotency key: see `SendResult.refused`. */
      readonly newKey?: boolean;
    };

const takenReply = z.tuple([
  z.string(),
  z.string(),
  z.string(),
  z.number(),
  z.number(),
  z.number(),
  z.string(),
  z.string(),
  z.string(),
  z.number(),
]);

/**
 * The outboxes of the mesh, as one incarnation of a node sees them. An answer is in an outbox from the step in which
 * its task ends until a node reports that the gateway or the webhook has accepted it. So it is sent at least once; the
 * receiver recognizes a repetition by its idempotency key.
 */
export class Outbox {
  readonly #redis: Redis;
  readonly #keys: MeshKeys;
  readonly #owner: Incarnation;
  readonly #signer: TaskSigner;
  #tokens = 0;

  constructor(redis: Redis, keys: MeshKeys, owner: Incarnation, signer: TaskSigner) {
    this.#redis = redis;
    this.#keys = keys;
    this.#owner = owner;
    this.#signer = signer;
  }

  /**
   * Takes the next due answer from these outboxes, and reserves it for {@link RESERVATION_MS}.
   *
   * @param options `resumes`: also take answers that an earlier incarnation of this node was sending
   * @returns the answer, if one is due, and the time until the next one is due (ms; undefined for none)
   * @throws ClawmeshError `fenced`.
   */
  async take(
    boxes: readonly string[],
    { resumes = false }: { readonly resumes?: boolean } = {},
  ): Promise<{ delivery: TakenDelivery | undefined; nextDueInMs: number | undefined }> {
    const { nodeId, incarnation } = this.#owner;
    this.#tokens += 1;
    const token = `${nodeId}~${incarnation}:${this.#tokens}`;
    const args = [nodeId, incarnation, token, RESERVATION_MS, resumes ? '1' : '', ...boxes];
    const reply = takenReply.parse(this.#notFenced(await scripts.takeDelivery.run(this.#redis, this.#keys, args)));
    const [pool, taskId, box, ends, tries, ageMs, data, returned, failure, due] = reply;
    const nextDueInMs = due < 0 ? undefined : due;
    if (pool === '') return { delivery: undefined, nextDueInMs };
    const idempotencyKey = `clawmesh-${taskId.replaceAll(':', '-')}-answer-${ends}`;
    const content = this.#content({ id: taskId, pool }, { data, returned, failure });
    return { delivery: { pool, taskId, box, token, idempotencyKey, tries, ageMs, content }, nextDueInMs };
  }

  /**
   * Reports how a try ended.
   *
   * @returns false if the delivery is no longer this node's: its reservation has lapsed, or the task was queued again
   * @throws ClawmeshError `fenced`.
   */
  async report({ pool, taskId, box, token }: TakenDelivery, end: DeliveryOutcome): Promise<boolean> {
    const { nodeId, incarnation } = this.#owner;
    const { reason = '' } = end;
    const pauseMs = end.outcome === 'postponed' ? Math.round(end.pauseMs) : UNCERTAIN_MS;
    const newKey = end.outcome === 'postponed' && end.newKey ? '1' : '';
    const args = [nodeId, incarnation, pool, taskId, box, token, end.outcome, reason, pauseMs, newKey];
    return this.#notFenced(await scripts.reportDelivery.run(this.#redis, this.#keys, args)) === 'done';
  }

  #content(
    { id, pool }: TaskRef,
    { data, returned, failure }: { data: string; returned: string; failure: string },
  ): TakenDelivery['content'] {
    const spec = readField(storedSpec, data);
    if (!spec?.deliver) return { problem: 'the task names no recipient that clawmesh can read' };
    const problem = this.#signer.problem(spec, pool, id);
    if (problem !== undefined) return { problem };
    const error = readField(storedError, failure) ?? null;
    const result = error ? null : (readField(storedResult, returned) ?? null);
    const { message, agent = null, deliver } = spec;
    return { destination: deliver, answer: { taskId: id, pool, message, agent, result, error } };
  }

  #notFenced(reply: unknown): unknown {
    const { nodeId, incarnation } = this.#owner;
    if (reply !== 'fenced') return reply;
    throw new ClawmeshError('fenced', `incarnation ${incarnation} of node ${nodeId} is fenced`);
  }
}

/** Outboxes read at once; a mesh has one per channel account. */
const MOST_BOXES = 200;

/** Answers of one outbox that wait to be sent. */
export interface OutboxCount {
  /** `<channel>`, `<channel>/<account>` or `@webhook`. */
  readonly box: string;
  readonly waiting: number;
}

/** The outboxes that are not empty. */
export async function readOutboxes(redis: Redis, keys: MeshKeys): Promise<OutboxCount[]> {
  const boxes = (await redis.smembers(keys.outboxes)).sort().slice(0, MOST_BOXES);
  const counts = await Promise.all(boxes.map((box) => redis.zcard(keys.outbox(box))));
  return boxes.map((box, index) => ({ box, waiting: counts[index] ?? 0 })).filter(({ waiting }) => waiting > 0);
}

/**
 * Gives up answers that no node has taken for `mostMs`, and forgets empty outboxes. Any node may do this.
 *
 * @returns the number of answers that were given up
 */
export async function expireDeliveries(redis: Redis, keys: MeshKeys, mostMs: number): Promise<number> {
  let expired = 0;
  for (const box of await redis.smembers(keys.outboxes)) {
    const reason = box === WEBHOOK_BOX ? 'no node could send it in time' : `no node had the channel ${box} in time`;
    expired += Number(await scripts.expireDeliveries.run(redis, keys, [box, mostMs, reason, EXPIRED_PER_CALL]));
  }
  return expired;
}
