import type { Mesh } from '../client/mesh.ts';
import type { Clock } from '../domain/clock.ts';
import { ClawmeshError } from '../domain/errors.ts';
import type { Node } from '../domain/node.ts';
import type { NewTask, Task } from '../domain/task.ts';
import { isEnded } from '../domain/task-state.ts';

export const DRILL_KINDS = ['crash', 'freeze', 'drain'] as const;
export type DrillKind = (typeof DRILL_KINDS)[number];

export interface DrilledMesh {
  readonly node: Pick<Mesh['node'], 'list' | 'drain' | 'resume' | 'failForDrill'>;
  readonly task: Pick<Mesh['task'], 'enqueueParsed' | 'getAll'>;
  readonly server: Pick<Mesh['server'], 'time'>;
  /**
   * Asks, and again until Redis answers: an outage must not leave a node taken down that the drill would bring back.
   */
  readonly throughOutages: <T>(ask: () => Promise<T>) => Promise<T>;
}

export interface DrillOptions {
  readonly clock: Clock;
  readonly kind: DrillKind;
  /** The node to take down; without one, the one that runs the most probes. */
  readonly nodeId: string | undefined;
  readonly crashGraceMs: number;
  readonly leaseMs: number;
  readonly onStep: (text: string) => void;
}

/** What a drill found. Times in ms, from the moment the node was told to take itself down. */
export interface DrillReport {
  readonly node: string;
  readonly kind: DrillKind;
  readonly probes: number;
  /** Until a probe was taken away from the node, the slowest one. */
  readonly detectionMs: number | null;
  /** From there to its restart elsewhere, the slowest one. */
  readonly restartMs: number | null;
  /** The whole way, the slowest one. */
  readonly totalMs: number | null;
  /** What the config promises for the whole way; null for a drain, which hands nothing over that ends in time. */
  readonly promisedMs: number | null;
  readonly lost: number;
  /** Probes with more starts than their history explains. */
  readonly unexplained: number;
  readonly ok: boolean;
}

const POLL_MS = 50;
/** Probes that only make room, ms. */
const SHORT_PROBE_MS = 900;
/** Idle nodes claim within milliseconds. */
const CLAIM_WAIT_MS = 700;
const ROUNDS = 6;
/** Patience beyond what is promised, ms, so that a drill that falls short says by how much. */
const PATIENCE_MS = 30_000;
/** On top of crash grace or lease: a sweep, a claim, and a second of promise 4. */
const MARGIN_MS = 1_000;

/**
 * Rehearses a failover on the real mesh: probe tasks (simulated, they cost nothing) on all nodes, one node taken down,
 * and a look at when and where its probes go on.
 *
 * @throws ClawmeshError `failed` where the mesh can't be drilled, `not-found` for an unknown node.
 */
export async function drillFailover(mesh: DrilledMesh, options: DrillOptions): Promise<DrillReport> {
  const { kind, onStep, clock } = options;
  const up = (await mesh.node.list()).filter((node) => node.state === 'up');
  if (up.length < 2) {
    throw new ClawmeshError('failed', `${up.length} nodes are up; a failover takes two`, {
      remedy: 'start another node',
    });
  }
  if (options.nodeId && !up.some((node) => node.id === options.nodeId)) {
    throw new ClawmeshError('not-found', `no node ${options.nodeId} is up`, { remedy: 'see clawmesh node list' });
  }
  const limitMs = kind === 'freeze' ? options.leaseMs : options.crashGraceMs;
  const promisedMs = kind === 'drain' ? null : limitMs + MARGIN_MS + (kind === 'crash' ? MARGIN_MS : 0);
  const probes = probeTasks(up, Math.max(8_000, limitMs + 5_000));
  const { ids, victim, own } = await startProbes(mesh, probes, options);
  onStep(`${victim} runs ${own.length} of ${ids.length} probe tasks, and is told to ${kind}`);
  // In Redis time, as the history of the probes.
  const takenDownAt = await mesh.server.time();
  if (kind === 'drain') await mesh.node.drain(victim);
  else await mesh.node.failForDrill(victim, kind);
  const ended = await waitForEnd(mesh, clock, ids, (promisedMs ?? 0) + PATIENCE_MS);
  if (kind === 'drain') await mesh.throughOutages(() => mesh.node.resume(victim));
  return report(ended, own, { kind, victim, promisedMs, takenDownAt });
}

/**
 * One probe per free slot, so that every node gets its share: first one for each node that lasts long enough to be cut
 * off,
 * then one for each that ends soon, so that there is room where the cut-off ones can go, and so on.
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
 * Queues probes until the node to be taken down, or any, runs a long one; the pull of the nodes decides who gets what.
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
    onStep(`${nodeId ?? 'no node'} got no probe it could lose; trying again`);
    await waitForEnd(mesh, clock, fresh, PATIENCE_MS);
  }
  throw new ClawmeshError('failed', `no probe started${nodeId ? ` on ${nodeId}` : ''}`, {
    remedy: 'the mesh is busy; try when it is idle',
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
  const lost = tasks.filter((task) => task.state !== 'completed').length;
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
    lost,
    unexplained,
    ok: inTime && lost === 0 && unexplained === 0,
  };
}
