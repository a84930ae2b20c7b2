import type { Claim } from '../../src/domain/claim.ts';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import { hasCode } from '../../src/domain/errors.ts';
import { isEligible, parseHoldReason } from '../../src/domain/hold-reason.ts';
import { type Outcome, taskError } from '../../src/domain/task.ts';
import { isEnded } from '../../src/domain/task-state.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { Circuits } from '../../src/queue/bullmq/circuits.ts';
import { PoolConsumer } from '../../src/queue/bullmq/pool-consumer.ts';
import { requeueOrphanedClaims } from '../../src/queue/bullmq/requeue.ts';
import { TaskSigner } from '../../src/queue/task-signer.ts';
import { ReplyLost } from '../support/interleavings/lossy-redis.ts';
import { aNodeRecord } from '../support/node-record.ts';
import { sweepHow } from '../support/sweep-how.ts';
import { BrokenPromise, checkLeases, checkPatience, checkRenewed, checkStart } from './invariants.ts';
import { type Daemon, type Mind, nameOf, type Run } from './mind.ts';
import { fieldOf } from './picture.ts';
import { LEASE_MS, LONG_MS, MAX_HANDOVERS, type NodeSpec, SLOTS } from './spec.ts';
import { type Fault, virtualRedis } from './virtual-redis.ts';

// What the daemons of a world do, through the ports that the real one uses.

/** Enough for a task that its node claims again. */
const MAX_ENDED = 2;

/** A daemon starts; one that `adopts` resumes the runs of the one before. */
export async function start(mind: Mind, node: NodeSpec, adopts = false): Promise<void> {
  const { id, pools, labels = {} } = node;
  const { incarnation } = await mind.registry.register(id, pools, LEASE_MS, adopts ? LEASE_MS : 0);
  const line = virtualRedis(mind.redis);
  const circuits = new Circuits(line.redis, mind.keys, {
    failures: 2,
    minProbeInterval: 60_000,
    maxProbeInterval: 60_000,
  });
  const queueOf = (pool: string) =>
    new PoolConsumer({
      pool,
      owner: { nodeId: id, incarnation },
      labels,
      keys: mind.keys,
      strategy: () => mind.strategy,
      redis: line.redis,
      blocking: line.redis,
      visibilityTimeoutMs: LONG_MS,
      retention: { completedMs: LONG_MS, failedMs: LONG_MS, count: 1_000, usageMs: LONG_MS },
      sessionExchanges: 0,
      backoff: { delay: 60_000, max: 60_000, jitter: 0 },
      schedules: mind.schedules,
      circuits,
      signer: new TaskSigner([], mind.keys.bullPrefix),
      clock: systemClock,
      clockOffset: () => 0,
    });
  const queues = new Map(pools.map((pool) => [pool, queueOf(pool)]));
  const daemon: Daemon = { node, incarnation, line, queues, over: false, runs: [], ended: [], deliveries: [] };
  mind.daemons.push(daemon);
  await beat(mind, daemon);
  if (!adopts) return;
  for (const queue of queues.values()) {
    for (const claim of await queue.adopt('all')) daemon.runs.push({ claim, queue });
  }
  await mind.registry.endReservation({ nodeId: id, incarnation: incarnation - 1 });
}

export async function beats(mind: Mind, daemon: Daemon): Promise<void> {
  await guarded(daemon, () => beat(mind, daemon));
  if (mind.spec.redisFaults?.includes('clock')) await mind.look();
  if (!wasSwept(mind)) return;
  mind.unseenJump = false;
  checkLeases(mind.picture, mind.keys, mind.now);
}

function wasSwept({ picture, keys, now }: Mind): boolean {
  return fieldOf(picture, keys.sweep, 'lastAt') === String(now);
}

async function beat(mind: Mind, { node: { id, pools, labels = {} }, incarnation }: Daemon): Promise<void> {
  const record = aNodeRecord({
    incarnation,
    labels,
    leaseMs: LEASE_MS,
    pools: Object.fromEntries(pools.map((pool) => [pool, { concurrency: SLOTS, running: 0 }])),
  });
  const how = { pools, leaseMs: LEASE_MS, stallMs: LONG_MS, idleStallMs: LONG_MS, graceMs: LONG_MS };
  await mind.registry.beat({ nodeId: id, incarnation }, record, sweepHow(id, how));
}

export async function claims(mind: Mind, daemon: Daemon, pool: string, fault: Fault | undefined): Promise<void> {
  const queue = daemon.queues.get(pool);
  const running = daemon.runs.length;
  const offer = { free: SLOTS - runsIn(daemon, pool), running, slots: SLOTS, pressure: 1 };
  const claim = await faulty(daemon, fault, () => queue?.claim(mind.spec.strategies ? offer : undefined));
  if (claim) await begin(mind, daemon, claim);
}

export function runsIn(daemon: Daemon, pool: string): number {
  return daemon.runs.filter(({ claim }) => claim.pool === pool).length;
}

/** Tasks that are held for this node. */
export async function takesHeld(mind: Mind, daemon: Daemon): Promise<void> {
  const found = await guarded(daemon, () => mind.release());
  for (const { pool, why, node } of found ?? []) {
    const queue = daemon.queues.get(pool);
    const { id, labels = {} } = daemon.node;
    const isOwn = node === id || isEligible(parseHoldReason(why), { id, labels });
    if (!queue || !isOwn || runsIn(daemon, pool) >= SLOTS) continue;
    const claim = await guarded(daemon, () => queue.claimHeld(why));
    if (claim) await begin(mind, daemon, claim);
  }
}

/** Claims whose answer was lost. */
export async function recovers(mind: Mind, daemon: Daemon): Promise<void> {
  for (const queue of daemon.queues.values()) {
    for (const claim of (await guarded(daemon, () => queue.recover())) ?? []) await begin(mind, daemon, claim);
  }
}

export async function renews(mind: Mind, daemon: Daemon): Promise<void> {
  const { picture, ledger } = mind;
  for (const [pool, queue] of daemon.queues) {
    const own = daemon.runs.map(({ claim }) => claim).filter((claim) => claim.pool === pool);
    const lost = (await guarded(daemon, () => queue.renew(own))) ?? [];
    if (!daemon.over) checkRenewed(daemon, own, lost, picture, ledger);
    daemon.runs = daemon.runs.filter(({ claim }) => !lost.includes(claim));
  }
}

/** Requeues tasks whose claim is orphaned. */
export async function requeues(mind: Mind): Promise<void> {
  const before = mind.picture;
  const owners = await mind.registry.pendingDeaths();
  await requeueOrphanedClaims(mind.line.redis, mind.keys, {
    visibilityTimeoutMs: LONG_MS,
    maxHandovers: MAX_HANDOVERS,
  });
  await mind.registry.clearDeaths(owners);
  if (mind.jumpedAt !== mind.now) return;
  await mind.look();
  checkPatience(before, mind.picture, mind);
}

export async function logs(daemon: Daemon, { claim, queue }: Run): Promise<void> {
  await guarded(daemon, () => queue.log(claim, ['a line'], undefined));
}

/** How a run ends: with an outcome, or on another node. */
export async function ends(mind: Mind, daemon: Daemon, run: Run, how: string, fault: Fault | undefined): Promise<void> {
  const { claim, queue } = run;
  const entry = mind.entry(claim.taskId);
  const before = mind.picture.tasks.get(claim.taskId);
  const fenced = mind.incarnationOf(daemon.node.id) !== daemon.incarnation;
  const request = async (): Promise<unknown> => {
    if (how === 'releases') return queue.release(claim, 'drain');
    if (how === 'reassigns') {
      const passed = await queue.reassign(claim, 'refused');
      if (passed) entry.excused++;
      return passed;
    }
    const { settled } = await queue.report(claim, outcomeOf(mind, claim, how));
    if (settled === 'held') entry.excused++;
    return settled;
  };
  await faulty(daemon, fault, request);
  // The daemon says it again.
  if (fault === 'lost') await guarded(daemon, request);
  daemon.runs = daemon.runs.filter((other) => other !== run);
  daemon.ended = [...daemon.ended, run].slice(-MAX_ENDED);
  if (!fenced || !before) return;
  const after = await mind.reader.get(claim.taskId);
  const state = before.places.join();
  if (isEnded(after?.state ?? 'waiting') && state !== after?.state)
    throw new BrokenPromise(`a fenced incarnation has ended task ${mind.nameOfTask(claim.taskId)}, which was ${state}`);
}

/**
 * A report of a run that has ended arrives once more, and changes nothing, unless Redis has forgotten the first one.
 */
export async function repeats(mind: Mind, daemon: Daemon, { claim, queue }: Run): Promise<void> {
  if (mind.picture.tasks.get(claim.taskId)?.lock === claim.token) return;
  const before = await mind.reader.get(claim.taskId);
  const failed = { ok: false, error: taskError('crash', 'a late report') } as const;
  await guarded(daemon, () => queue.report(claim, failed));
  const after = await mind.reader.get(claim.taskId);
  if (before?.state !== after?.state || before?.history.length !== after?.history.length)
    throw new BrokenPromise(`a late report changed task ${mind.nameOfTask(claim.taskId)}`);
}

function outcomeOf(mind: Mind, { taskId, token }: Claim, how: string): Outcome {
  if (how !== 'succeeds') return { ok: false, error: taskError(how as ErrorKind, `simulated ${how}`) };
  const text = `${taskId} by ${token}`;
  mind.entry(taskId).answers.add(text);
  const usage = { input: 1, output: 1, total: 2 };
  return { ok: true, result: { text, usage, model: null, runId: null, durationMs: 5 } };
}

async function begin(mind: Mind, daemon: Daemon, claim: Claim): Promise<void> {
  const name = mind.nameOfTask(claim.taskId);
  await mind.look();
  mind.noteScheduled();
  if (daemon.runs.some((run) => run.claim.taskId === claim.taskId && run.claim.token === claim.token))
    throw new BrokenPromise(`task ${name} was claimed twice with ${claim.token}`);
  const token = `${claim.pool} ${claim.token}`;
  const holder = mind.tokens.get(token) ?? claim.taskId;
  if (holder !== claim.taskId) throw new BrokenPromise(`one token for tasks ${mind.nameOfTask(holder)} and ${name}`);
  mind.tokens.set(token, claim.taskId);
  const entry = mind.entry(claim.taskId);
  if (entry.removed) throw new BrokenPromise(`task ${name} was removed, and given out`);
  entry.starts++;
  entry.holder = `${nameOf(daemon)} ${claim.token}`;
  checkStart(claim, daemon.node, mind.ledger, mind.picture);
  const queue = daemon.queues.get(claim.pool);
  if (!queue) throw new BrokenPromise(`${daemon.node.id} does not serve pool ${claim.pool}`);
  daemon.runs.push({ claim, queue });
}

/** What the daemon does when Redis tells it that it is fenced, or that a claim is gone, or the answer is lost. */
async function guarded<T>(daemon: Daemon, request: () => Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (hasCode(error, 'fenced')) {
      daemon.over = true;
      return undefined;
    }
    if (hasCode(error, 'claim-lost') || error instanceof ReplyLost) return undefined;
    throw error;
  }
}

/** What the connection does to the next script of this request. */
async function faulty<T>(
  daemon: Daemon,
  fault: Fault | undefined,
  request: () => Promise<T> | undefined,
): Promise<T | undefined> {
  daemon.line.fault = fault;
  try {
    return await guarded(daemon, request);
  } finally {
    daemon.line.fault = undefined;
  }
}
