import { hasCode } from '../../src/domain/errors.ts';
import { type DeliveryOutcome, expireDeliveries, Outbox, type TakenDelivery } from '../../src/queue/bullmq/outbox.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import type { MeshKeys } from '../../src/redis/keys.ts';
import { ReplyLost } from '../support/interleavings/lossy-redis.ts';
import { BrokenPromise } from './invariants.ts';
import type { Daemon, Mind } from './mind.ts';
import { hasEnded, type Picture } from './picture.ts';
import { LONG_MS } from './spec.ts';
import type { Fault } from './virtual-redis.ts';

/** The one outbox of a world. */
export const BOX = 'chat';
/** How the tries of a world end: the answer is accepted, may be tried again, or is refused for good. */
export const SENDS: Readonly<Record<string, DeliveryOutcome>> = {
  sends: { outcome: 'delivered' },
  postpones: { outcome: 'postponed', reason: 'away', pauseMs: 60_000 },
  abandons: { outcome: 'failed', reason: 'refused' },
  doubts: { outcome: 'uncertain', reason: 'gateway closed' },
};

/** A node that has the channel takes the next answer. */
export async function takes(mind: Mind, daemon: Daemon): Promise<void> {
  const outbox = new Outbox(
    daemon.line.redis,
    mind.keys,
    { nodeId: daemon.node.id, incarnation: daemon.incarnation },
    new TaskSigner([], 'w'),
  );
  const delivery = await guarded(daemon, async () => (await outbox.take([BOX])).delivery);
  if (!delivery) return;
  const entry = mind.entry(delivery.taskId);
  if (entry.removed) throw new BrokenPromise(`task ${mind.nameOfTask(delivery.taskId)} was removed, and is delivered`);
  daemon.deliveries.push({ delivery, outbox });
}

/** A try ends; a report whose reply was lost is sent again. */
export async function ends(
  mind: Mind,
  daemon: Daemon,
  id: string,
  how: string,
  fault: Fault | undefined,
): Promise<boolean> {
  const taken = daemon.deliveries.find(({ delivery }) => delivery.taskId === id);
  const outcome = SENDS[how];
  if (!taken || !outcome) return false;
  const { delivery, outbox } = taken;
  daemon.line.fault = fault;
  let stillOurs = await guarded(daemon, () => outbox.report(delivery, outcome));
  daemon.line.fault = undefined;
  if (fault === 'lost') stillOurs = (await guarded(daemon, () => outbox.report(delivery, outcome))) ?? stillOurs;
  // The node keeps an answer that may have been sent, and repeats it.
  if (how !== 'doubts' || stillOurs === false) daemon.deliveries = daemon.deliveries.filter((other) => other !== taken);
  if (how === 'sends') noteSent(mind, delivery);
  return true;
}

/** One end of a task has one key; a try that was sent again has the same. */
function noteSent(mind: Mind, { taskId, idempotencyKey, content }: TakenDelivery): void {
  if ('problem' in content) throw new BrokenPromise(`task ${mind.nameOfTask(taskId)}: ${content.problem}`);
  const { result, error } = content.answer;
  const said = result?.text ?? `${error?.kind}: ${error?.message}`;
  const before = mind.sent.get(idempotencyKey);
  if (before !== undefined && before !== said)
    throw new BrokenPromise(`${idempotencyKey} was sent with two answers: ${before}, ${said}`);
  mind.sent.set(idempotencyKey, said);
}

export async function again(mind: Mind, id: string): Promise<boolean> {
  const entry = mind.ledger.get(id);
  if (!entry || entry.removed) return false;
  const task = await mind.reader.get(id);
  return task !== undefined && (await mind.control.redeliver(task)) === 'pending';
}

export async function tidied(mind: Mind): Promise<boolean> {
  await expireDeliveries(mind.line.redis, mind.keys, LONG_MS);
  return true;
}

/** What is to be sent is in the outbox, and nothing else is; each ended task with a recipient has a delivery. */
export function checkDeliveries(picture: Picture, keys: MeshKeys): void {
  const box = picture.values.get(keys.outbox(BOX)) ?? [];
  const members = new Set([...box].filter((_, index) => index % 2 === 0));
  for (const [id, task] of picture.tasks) {
    const { fields, pool } = task;
    const state = fields.get('cm:delivery');
    const open = state === 'pending' || state === 'sending';
    if (members.delete(`${pool} ${id}`) !== open)
      throw new BrokenPromise(`the answer of task ${Number(id)} is ${state}, and ${open ? 'not ' : ''}in the outbox`);
    if (fields.has('cm:box') && hasEnded(task) !== (state !== undefined))
      throw new BrokenPromise(`task ${Number(id)} is ${task.places[0]}, and its answer is ${state}`);
  }
  const [stray] = members;
  if (stray !== undefined) throw new BrokenPromise(`the outbox has ${stray}, which is no task`);
  if (box.length > 0 && !(picture.values.get(keys.outboxes) ?? []).includes(BOX))
    throw new BrokenPromise('no node looks after the outbox');
}

/** Tasks whose answer is still to be sent. */
export function undelivered({ tasks }: Picture): string[] {
  return [...tasks].flatMap(([id, { fields }]) =>
    ['pending', 'sending'].includes(fields.get('cm:delivery') ?? '') ? [id] : [],
  );
}

async function guarded<T>(daemon: Daemon, request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (hasCode(error, 'fenced')) daemon.over = true;
    else if (!(error instanceof ReplyLost)) throw error;
    return undefined;
  }
}
