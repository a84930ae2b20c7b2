import type { Mesh } from '../client/mesh.ts';
import type { Clock } from '../domain/clock.ts';
import { counted } from '../domain/counted.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { Node } from '../domain/node.ts';
import type { NewTask, Task } from '../domain/task.ts';
import { isEnded } from '../domain/task-state.ts';
import { humanDuration } from '../domain/units.ts';

export const DRILL_KINDS = ['crash', 'freeze', 'drain'] as const;
export type DrillKind = (typeof DRILL_KINDS)[number];

export interface DrilledMesh {
  readonly node: Pick<Mesh['node'], 'list' | 'drain' | 'resume' | 'failForDrill'>;
  readonly task: Pick<Mesh['task'], 'enqueueParsed' | 'getAll'>;
  readonly server: Pick<Mesh['server'], 'time'>;
  /**
   * Repeats a request until Redis replies: after an outage, the drill must still resume a node that it has taken down.
   */
  readonly throughOutages: <T>(ask: () => Promise<T>) => Promise<T>;
}

export interface DrillOptions {
  readonly clock: Clock;
  readonly kind: DrillKind;
  /** The node to take down; by default the one that runs the most probes. */
  readonly nodeId: string | undefined;
  readonly crashGraceMs: number;
  readonly leaseMs: number;
  readonly onStep: (text: string) => void;
}

/** The results of a drill. Times in ms, from the request to the node to fail or drain. */
export interface DrillReport {
  /** The node that was taken down. */
  readonly node: string;
  /** How it was taken down. */
  readonly kind: DrillKind;
  /** Number of probe tasks that it ran. */
  readonly probes: number;
  /** Until a probe was taken away from the node, the slowest one. */
  readonly detectionMs: number | null;
  /** From then until its restart on another node, the slowest one. */
  readonly restartMs: number | null;
  /** The sum of both, the slowest one. */
  readonly totalMs: number | null;
  /** Upper limit for `totalMs` by the config; null for a drain, which hands over no run that ends in time. */
  readonly promisedMs: number | null;
  /** Probes that did not complete. */
  readonly lost: number;
  /** How these probes ended: number by kind of error, or by state if they have none. */
  readonly lostAs: Readonly<Record<string, number>>;
  /** Probes with more starts than their history explains. */
  readonly unexplained: number;
  /** Whether the mesh kept its promise. */
  readonly ok: boolean;
}

const POLL_MS = 50;
/** Duration of probes whose only purpose is to free slots soon, ms. */
const SHORT_PROBE_MS = 900;
/** Idle nodes claim within milliseconds, ms. */
const CLAIM_WAIT_MS = 700;
const ROUNDS = 6;
/** Wait beyond the promised time, ms, so that a drill that misses it can report by how much. */
const PATIENCE_MS = 30_000;
/** Added to crash grace or lease for a sweep and a claim, ms; a crash gets it twice. */
const MARGIN_MS = 1_000;

/**
 * Rehearses a failover on the real mesh: enqueues probe tasks (simulated, without cost) for all nodes, takes one node
 * down, and observes when and where its probes continue.
 *
 * @throws ClawmeshError `failed` if the mesh can't be drilled, `not-found` for an unknown node.
 */
export async function drillFailover(mesh: DrilledMesh, options: DrillOptions): Promise<DrillReport> {
  const { kind, onStep, clock } = options;
  const up = (await mesh.node.list()).filter((node) => node.state === 'up');
  if (up.length < 2) {
    throw new ClawmeshError(
      'failed',
      `${counted(up.length, 'node')} ${up.length === 1 ? 'is' : 'are'} up, but a failover requires two`,
      {
        remedy: 'start another node',
      },
    );
  }
  if (options.nodeId && !up.some((node) => node.id === options.nodeId)) {
    throw new ClawmeshError('not-found', `node ${options.nodeId} is not up`, { remedy: 'see clawmesh node list' });
  }
  const limitMs = kind === 'freeze' ? options.leaseMs : options.crashGraceMs;
  const promisedMs = kind === 'drain' ? null : limitMs + MARGIN_MS + (kind === 'crash' ? MARGIN_MS : 0);
  const probes = probeTasks(up, Math.max(8_000, limitMs + 5_000));
  const { ids, victim, own } = await startProbes(mesh, probes, options);
  onStep(`${victim} runs ${own.length} of ${ids.length} probe tasks; telling it to ${kind}`);
  // In Redis time, like the history of the probes.
  const takenDownAt = await mesh.server.time();
  if (kind === 'drain') await mesh.node.drain(victim);
  else await mesh.node.failForDrill(victim, kind);
  const ended = await waitForEnd(mesh, clock, ids, (promisedMs ?? 0) + PATIENCE_MS);
  if (kind === 'drain') await mesh.throughOutages(() => mesh.node.resume(victim));
  return report(ended, own, { kind, victim, promisedMs, takenDownAt });
}

/**
 * One probe per free slot, so that every node gets its share. The first round gives each node a probe that lasts long
 * enough to be interrupted. The second gives each one that ends soon, which frees slots for the interrupted probes.
 * Further rounds alternate.
 */
function probeTasks(nodes: readonly Node[], durationMs: number): NewTask[] {
  const slots = nodes.flatMap((node) =>
    Object.entries(node.pools).flatMap(([pool, { concurrency, running }]) =>
      Array<string>(Math.max(0, concurrency - running)).fill(pool),
    ),
  );
  return slots.map((pool, index) => ({
    message: `sleep ${Math.floor(index / nodes.length) % 2 === 0 ? durationMs : SHORT_PROBE_MS}ms`,
    pool,
    priority: 0,
    delayMs: 0,
    attempts: 1,
    tags: { clawmesh: 'drill' },
    probe: true,
  }));
}

/**
 * Queues probes until the given node, or any node by default, runs a long one. The nodes' claims decide which node gets
 * which probe.
 */
async function startProbes(
  mesh: DrilledMesh,
  probes: readonly NewTask[],
  { nodeId, onStep, clock }: DrillOptions,
): Promise<{ ids: string[]; victim: string; own: Task[] }> {
  const ids: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const fresh = (await mesh.task.enqueueParsed(probes)).map(({ id }) => id);
    ids.push(...fresh);
    const deadline = clock.monotonic() + CLAIM_WAIT_MS;
    let tasks = await readAll(mesh, fresh);
    while (tasks.some((task) => task.state === 'waiting') && clock.monotonic() < deadline) {
      await clock.sleep(POLL_MS);
      tasks = await readAll(mesh, fresh);
    }
    const long = tasks.filter(
      (task) => task.state === 'active' && task.node && task.message !== `sleep ${SHORT_PROBE_MS}ms`,
    );
    const byNode = [...Map.groupBy(long, (task) => task.node as string)].sort(([, a], [, b]) => b.length - a.length);
    const chosen = byNode.find(([node]) => !nodeId || node === nodeId);
    if (chosen) return { ids, victim: chosen[0], own: chosen[1] };
    onStep(`no long probe runs${nodeId === undefined ? '' : ` on ${nodeId}`} yet; trying again`);
    await waitForEnd(mesh, clock, fresh, PATIENCE_MS);
  }
  throw new ClawmeshError('failed', `no probe started${nodeId ? ` on ${nodeId}` : ''}`, {
    remedy: 'the mesh is busy; try again when it is idle',
  });
}

async function waitForEnd(mesh: DrilledMesh, clock: Clock, ids: readonly string[], timeoutMs: number): Promise<Task[]> {
  const deadline = clock.monotonic() + timeoutMs;
  for (;;) {
    const tasks = await readAll(mesh, ids);
    if (tasks.every((task) => isEnded(task.state)) || clock.monotonic() > deadline) return tasks;
    await clock.sleep(POLL_MS);
  }
}

async function readAll(mesh: DrilledMesh, ids: readonly string[]): Promise<Task[]> {
  return mesh.throughOutages(() => mesh.task.getAll(ids));
}

function report(
  tasks: readonly Task[],
  own: readonly Task[],
  facts: { kind: DrillKind; victim: string; promisedMs: number | null; takenDownAt: number },
): DrillReport {
  const moved = own.flatMap(({ id }) => {
    const history = tasks.find((task) => task.id === id)?.history ?? [];
    const index = history.findIndex((entry) => entry.event === 'handover');
    const restart = history.slice(index).find((entry) => entry.event === 'claimed');
    const away = history[index];
    return index >= 0 && away && restart ? [{ away: Date.parse(away.at), restart: Date.parse(restart.at) }] : [];
  });
  const slowest = (values: number[]) => (values.length === 0 ? null : Math.max(...values));
  const totalMs = slowest(moved.map(({ restart }) => restart - facts.takenDownAt));
  const lost = tasks.filter((task) => task.state !== 'completed');
  const lostAs = Map.groupBy(lost, ({ error, state }) => error?.kind ?? state);
  const unexplained = tasks.filter((task) => {
    const count = (event: string) => task.history.filter((entry) => entry.event === event).length;
    return count('claimed') !== 1 + count('handover') + count('retry');
  }).length;
  const inTime =
    facts.promisedMs === null || (totalMs !== null && totalMs <= facts.promisedMs && moved.length === own.length);
  return {
    node: facts.victim,
    kind: facts.kind,
    probes: own.length,
    detectionMs: slowest(moved.map(({ away }) => away - facts.takenDownAt)),
    restartMs: slowest(moved.map(({ away, restart }) => restart - away)),
    totalMs,
    promisedMs: facts.promisedMs,
    lost: lost.length,
    lostAs: Object.fromEntries([...lostAs].map(([kind, probes]) => [kind, probes.length])),
    unexplained,
    ok: inTime && lost.length === 0 && unexplained === 0,
  };
}

/** In which ways the mesh has not kept its promise in a drill that is not ok, for people. */
export function drillFailures({ lost, lostAs, unexplained, totalMs, promisedMs }: DrillReport): string[] {
  const kinds = Object.entries(lostAs).map(([kind, count]) => `${count} ${kind}`);
  const late = promisedMs !== null && totalMs !== null && totalMs > promisedMs;
  const failures = [
    lost > 0 && `${counted(lost, 'probe')} did not complete (${kinds.join(', ')})`,
    unexplained > 0 && `${counted(unexplained, 'probe')} started more often than the history explains`,
    late && `a probe ran again ${humanDuration(totalMs - promisedMs)} later than promised`,
  ].filter((text) => text !== false);
  return failures.length > 0 ? failures : ['not all probes of the node ran again on another one'];
}
