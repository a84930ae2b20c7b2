import type { Mesh } from '../client/mesh.ts';
import type { Config } from '../config/schema.ts';
import type { Circuit } from '../domain/circuit.ts';
import type { Clock } from '../domain/clock.ts';
import { cutText } from '../domain/cut-text.ts';
import { type Finding, type FindingAction, type Severity, worstFirst } from '../domain/finding.ts';
import type { Handover } from '../domain/handover.ts';
import type { Node } from '../domain/node.ts';
import type { NodeState } from '../domain/node-state.ts';
import type { PoolCounts } from '../domain/pool-counts.ts';
import type { Task } from '../domain/task.ts';
import type { OldestTask } from '../queue/bullmq/task-reader.ts';
import { type UsageSum, usageOn } from '../queue/usage.ts';
import { faultsOf } from './doctor/redis-checks.ts';
import { findProblems, foreignWorkers, strandedTasks, undeliverable } from './problems.ts';

/** The mesh at one moment, as `status --json` prints it. */
export interface Snapshot {
  /** Name of the mesh. */
  readonly mesh: string;
  /** The connection to Redis. */
  readonly redis: {
    /**
     * Whether Redis can carry the mesh: it is a primary, evicts no tasks, can write to its disk and is not nearly full. If
     * not, `problems` says why. Without Redis the command fails with exit code 3.
     */
    readonly ok: boolean;
    /** Time of one round trip, ms. */
    readonly latencyMs: number;
  };
  /** Number of nodes by state; stopped nodes are left out. */
  readonly nodes: Readonly<Record<Exclude<NodeState, 'stopped'>, number>>;
  /** Number of tasks by pool and state. */
  readonly pools: Readonly<Record<string, PoolCounts>>;
  /** The task that has waited longest; null if none waits. */
  readonly oldestWaiting: OldestTask | null;
  /** Running tasks, the longest first; at most 20. */
  readonly running: readonly RunningTask[];
  /** Number of further running tasks. */
  readonly moreRunning: number;
  /** The last five, newest first. */
  readonly handovers: readonly Handover[];
  /** Usage of completed tasks today (UTC). */
  readonly usageToday: Omit<UsageSum, 'agent' | 'model'>;
  /** Open circuits, whose tasks are held. */
  readonly circuits: readonly Circuit[];
  /** The worst first. */
  readonly problems: readonly ShownFinding[];
}

/** A {@link Finding} under the names of the JSON contract. */
interface ShownFinding {
  /** A notice is a problem that an operator has caused on purpose. */
  readonly severity: Severity;
  /** What is wrong, for people. */
  readonly what: string;
  /** The remedy, for people. */
  readonly fix: string;
  /** Commands that apply the remedy; empty if an operator has to do something else. */
  readonly actions: readonly FindingAction[];
}

/** A running task. */
export interface RunningTask extends Pick<Task, 'id' | 'pool' | 'node' | 'message'> {
  /** The attempt, from 1. */
  readonly attempt: number;
  /** Start of this run, ISO 8601. */
  readonly startedAt: string | null;
  /** Time since the start of this run, ms. */
  readonly elapsedMs: number;
  /** Tokens used so far; null if unknown. */
  readonly tokens: number | null;
}

const MOST_RUNNING = 20;
/** Longest part of a running task's message, in characters. */
const MESSAGE_LENGTH = 200;
const LAST_HANDOVERS = 5;

/** The parts of a mesh that a snapshot reads. */
export interface SnapshotSource
  extends Pick<Mesh, 'circuits' | 'usage' | 'handovers' | 'scheduleFailures' | 'outboxes'> {
  readonly config: Pick<Config, 'mesh' | 'node' | 'nodes'>;
  readonly node: Pick<Mesh['node'], 'list'>;
  readonly pool: Pick<Mesh['pool'], 'names' | 'counts' | 'held' | 'oldestWaiting' | 'strangers'>;
  readonly task: Pick<Mesh['task'], 'longestRunning'>;
  readonly server: Pick<Mesh['server'], 'time' | 'info'>;
}

/** Reads the state of the whole mesh. */
export async function takeSnapshot(
  mesh: SnapshotSource,
  clock: Clock,
): Promise<{ snapshot: Snapshot; nodes: Node[]; findings: readonly Finding[] }> {
  const askedAt = clock.monotonic();
  const pools = await mesh.pool.names();
  const latencyMs = Math.round((clock.monotonic() - askedAt) * 10) / 10;
  const [nodes, counts, held, circuits, scheduleFailures, usage, now, active, handovers, outboxes, server] =
    await Promise.all([
      mesh.node.list(),
      mesh.pool.counts(pools),
      mesh.pool.held(),
      mesh.circuits(),
      mesh.scheduleFailures(),
      mesh.usage(1),
      mesh.server.time(),
      mesh.task.longestRunning(MOST_RUNNING),
      mesh.handovers({ limit: LAST_HANDOVERS }),
      mesh.outboxes(),
      mesh.server.info(),
    ]);
  const activeCount = [...counts.values()].reduce((sum, count) => sum + count.active, 0);
  const inState = (state: NodeState) => nodes.filter((node) => node.state === state).length;
  const findings = worstFirst([
    ...findProblems({
      nodes,
      pools: counts,
      circuits,
      scheduleFailures,
      config: mesh.config,
    }),
    ...strandedTasks(nodes, held),
    ...undeliverable(nodes, outboxes),
    ...foreignWorkers(await mesh.pool.strangers(pools, now)),
  ]);
  // The doctor checks the server by itself, so these are no findings of the mesh.
  const serverFaults = faultsOf(server);
  return {
    nodes,
    findings,
    snapshot: {
      mesh: mesh.config.mesh,
      redis: { ok: serverFaults.length === 0, latencyMs },
      nodes: {
        up: inState('up'),
        gated: inState('gated'),
        paused: inState('paused'),
        draining: inState('draining'),
        dead: inState('dead'),
      },
      pools: Object.fromEntries(counts),
      oldestWaiting: (await mesh.pool.oldestWaiting(pools, now)) ?? null,
      running: active.map((task) => runningTask(task, now)),
      moreRunning: Math.max(0, activeCount - active.length),
      handovers,
      usageToday: usageOn(usage, now),
      circuits: circuits.filter((circuit) => circuit.openedAt !== null),
      problems: worstFirst([...serverFaults, ...findings]).map(({ severity, problem, remedy, actions = [] }) => {
        return { severity, what: problem, fix: remedy, actions };
      }),
    },
  };
}

function runningTask({ id, pool, node, message, attempts, startedAt, progress }: Task, now: number): RunningTask {
  const elapsedMs = startedAt === null ? 0 : Math.max(0, now - Date.parse(startedAt));
  return {
    id,
    pool,
    node,
    message: cutText(message, MESSAGE_LENGTH),
    attempt: attempts.made + 1,
    startedAt,
    elapsedMs,
    tokens: progress?.tokens ?? null,
  };
}
