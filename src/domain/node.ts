import { counted } from './counted.ts';
import type { NodeState, REPORTED_STATES } from './node-state.ts';
import type { Allowed } from './target.ts';

/** A condition that must hold for a node to claim tasks. */
export interface GateState {
  readonly name: string;
  readonly open: boolean;
  /** Why it's closed, or open with a warning, for people; null while all is well. */
  readonly reason: string | null;
  /** What to do about it. */
  readonly fix: string | null;
}

/** What somebody may want of a node: to drain, or to crash or freeze itself for a drill. */
export const DESIRED_STATES = ['drain', 'drill-crash', 'drill-freeze'] as const;
export type DesiredState = (typeof DESIRED_STATES)[number];

/** How a node runs tasks: one mode for each kind of runner (src/runners/all.ts). */
export const OPENCLAW_MODES = ['gateway', 'exec', 'simulate'] as const;
export type OpenClawMode = (typeof OPENCLAW_MODES)[number];

export interface OpenClawState {
  readonly mode: OpenClawMode;
  /** The running version; null where it is not known (yet). */
  readonly version: string | null;
  /** The pinned version; null where none is pinned. */
  readonly expected: string | null;
  readonly healthy: boolean;
}

/** What a heartbeat says: everything about a node that others may want to know. */
export interface NodeRecord {
  readonly incarnation: number;
  readonly state: (typeof REPORTED_STATES)[number];
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly uptimeMs: number;
  /** What it is known by, from `nodes.<id>.labels`. */
  readonly labels: Readonly<Record<string, string>>;
  /** The only agents and models that it runs. */
  readonly allow?: Allowed | undefined;
  readonly pools: Readonly<Record<string, { readonly concurrency: number; readonly running: number }>>;
  /** Tasks at once of all its pools together, where that is less than they add up to. */
  readonly maxTasks?: number | undefined;
  /** Ids of the tasks it runs. */
  readonly running: readonly string[];
  readonly openclaw: OpenClawState;
  readonly configDigest: string;
  readonly gates: readonly GateState[];
  readonly load: NodeLoad;
  /** Outcomes on the node's disk: to be delivered, and those whose task was somebody else's by then. */
  readonly journal: { readonly pending: number; readonly discarded: number };
  /** Life of the lease that came with this record, ms. */
  readonly leaseMs: number;
}

export interface NodeLoad {
  /** One-minute load average per core. */
  readonly cpu: number;
  /** Share of memory in use, 0 to 1. */
  readonly memory: number;
  /** 99th percentile of the event loop's delay since the last heartbeat, ms. */
  readonly eventLoopDelayMs: number;
}

/**
 * A node as its lease and its last heartbeat tell. What it ran at that heartbeat is left out: it may have claimed,
 * ended or
 * lost tasks since; see {@link Node}.
 */
export interface SeenNode extends Omit<NodeRecord, 'state' | 'leaseMs' | 'running' | 'pools'> {
  readonly id: string;
  readonly state: NodeState;
  readonly pools: Readonly<Record<string, { readonly concurrency: number }>>;
  /** Time since its last heartbeat by Redis time, ms; null once it stopped. */
  readonly heartbeatAgeMs: number | null;
}

/** A node as `node list --json` prints it (CLI.md). What it runs is what the locks of tasks say. */
export interface Node extends Omit<SeenNode, 'pools'> {
  readonly pools: Readonly<Record<string, { readonly concurrency: number; readonly running: number }>>;
  /** Ids of the tasks it runs; none for a node that is dead or has stopped. */
  readonly running: readonly string[];
  /**
   * Ids of tasks that it, or an earlier incarnation of it, claimed and can't be running; they wait to be taken over.
   */
  readonly orphaned: readonly string[];
}

/** How many tasks a node runs at once, of all its pools together. */
export function slotsOf(concurrencies: readonly number[], maxTasks: number | undefined): number {
  const inPools = concurrencies.reduce((sum, concurrency) => sum + concurrency, 0);
  return Math.min(maxTasks ?? inPools, inPools);
}

/** How many tasks of a node that is gone are still to be taken over, as part of a sentence. */
export function orphanedWords(count: number): string {
  return `${counted(count, 'task')} that it held ${count === 1 ? 'waits' : 'wait'} for another node`;
}
