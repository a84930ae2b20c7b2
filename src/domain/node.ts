import { counted } from './counted.ts';
import type { NodeState, REPORTED_STATES } from './node-state.ts';
import type { Allowed } from './target.ts';

/** A condition that must hold for a node to claim tasks. */
export interface GateState {
  readonly name: string;
  readonly open: boolean;
  /** Why the gate is closed, or open with a warning, for people; null if all is well. */
  readonly reason: string | null;
  /** The remedy. */
  readonly fix: string | null;
}

/** What an operator can want of a node: drain, or crash or freeze for a drill. */
export const DESIRED_STATES = ['drain', 'drill-crash', 'drill-freeze'] as const;
export type DesiredState = (typeof DESIRED_STATES)[number];

/** How a node runs tasks: one mode for each kind of runner (src/runners/all.ts). */
export const OPENCLAW_MODES = ['gateway', 'exec', 'simulate'] as const;
export type OpenClawMode = (typeof OPENCLAW_MODES)[number];

export interface OpenClawState {
  readonly mode: OpenClawMode;
  /** The running version; null if it is not known (yet). */
  readonly version: string | null;
  /** The pinned version; null if none is pinned. */
  readonly expected: string | null;
  readonly healthy: boolean;
}

/** The content of a heartbeat: everything that other nodes and programs may need to know about a node. */
export interface NodeRecord {
  readonly incarnation: number;
  readonly state: (typeof REPORTED_STATES)[number];
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly uptimeMs: number;
  /** From `nodes.<id>.labels`. */
  readonly labels: Readonly<Record<string, string>>;
  /** The only agents and models that the node runs. */
  readonly allow?: Allowed | undefined;
  readonly pools: Readonly<Record<string, { readonly concurrency: number; readonly running: number }>>;
  /** Maximum number of tasks at once in all pools, if it is less than the sum of the pools. */
  readonly maxTasks?: number | undefined;
  /** Ids of the running tasks. */
  readonly running: readonly string[];
  readonly openclaw: OpenClawState;
  readonly configDigest: string;
  readonly gates: readonly GateState[];
  readonly load: NodeLoad;
  /** Results on the node's disk: those to deliver, and those discarded because another node had the task by then. */
  readonly journal: { readonly pending: number; readonly discarded: number };
  /** Lease that this record renews, ms. */
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
 * A node as its lease and its last heartbeat describe it. The tasks that it ran then are left out, because the node may
 * have claimed, finished or lost tasks since; see {@link Node}.
 */
export interface SeenNode extends Omit<NodeRecord, 'state' | 'leaseMs' | 'running' | 'pools'> {
  readonly id: string;
  readonly state: NodeState;
  readonly pools: Readonly<Record<string, { readonly concurrency: number }>>;
  /** Time since the last heartbeat, measured in Redis time, ms; null once the node has stopped. */
  readonly heartbeatAgeMs: number | null;
}

/** A node as `node list --json` prints it. Its running tasks come from the locks of the tasks. */
export interface Node extends Omit<SeenNode, 'pools'> {
  readonly pools: Readonly<Record<string, { readonly concurrency: number; readonly running: number }>>;
  /** Ids of the running tasks; empty for a node that is dead or stopped. */
  readonly running: readonly string[];
  /**
   * Ids of tasks that this node or an earlier incarnation claimed, but can't be running. Another node will take them
   * over.
   */
  readonly orphaned: readonly string[];
}

/** Maximum number of tasks that a node runs at once, in all pools. */
export function slotsOf(concurrencies: readonly number[], maxTasks: number | undefined): number {
  const inPools = concurrencies.reduce((sum, concurrency) => sum + concurrency, 0);
  return Math.min(maxTasks ?? inPools, inPools);
}

/** Part of a sentence about a lost node: how many of its tasks still wait for another node. */
export function orphanedWords(count: number): string {
  return `${counted(count, 'task')} of this node ${count === 1 ? 'waits' : 'wait'} for another node`;
}
