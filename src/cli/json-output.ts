import type { CircuitView } from '../client/circuits.ts';
import type { ScheduleDetails } from '../client/schedules.ts';
import type { ErrorCode } from '../domain/errors.ts';
import type { Handover } from '../domain/handover.ts';
import type { Node } from '../domain/node.ts';
import type { Schedule } from '../domain/schedule.ts';
import type { Task } from '../domain/task.ts';
import type { JobReport } from '../ops/cron-import/import.ts';
import type { CheckResult as Check } from '../ops/doctor/check-result.ts';
import type { DrillReport } from '../ops/drill.ts';
import type { DryRun } from '../ops/dry-run.ts';
import type { PoolView } from '../ops/pools.ts';
import type { Step } from '../ops/service/manager.ts';
import type { Snapshot } from '../ops/snapshot.ts';
import type { Enqueued } from '../queue/bullmq/task-producer.ts';
import type { UsageSum } from '../queue/usage.ts';
import type { ACL_ROLES, SERVER_ROLES } from '../redis/acl.ts';
import type { MeshEvent } from '../registry/event-log.ts';
import type { NamedMesh } from './named-meshes.ts';

/**
 * The document that each command prints on stdout with `--json`. An option after the command names a variant that
 * prints another document.
 *
 * `docs/reference/json.md` and its schemas are generated from these types and their comments.
 */
export interface JsonOutput {
  readonly enqueue: EnqueueOutput;
  readonly 'enqueue --dry-run': {
    /** In the order of the input; of a file, at most the first 100. */
    readonly tasks: readonly DryRun[];
    /** Number of valid tasks. */
    readonly count: number;
  };
  readonly 'enqueue --wait': {
    /** In the order of the input. */
    readonly tasks: readonly AwaitedTask[];
  };
  readonly 'task list': TaskList;
  readonly 'task list --usage': {
    /** One entry per day, agent and model; the newest day first. */
    readonly usage: readonly UsageSum[];
  };
  readonly 'task show': Task;
  readonly 'task show --log-failed': {
    /** The last failed attempt, from 1; null if the task failed without a run. */
    readonly attempt: number | null;
    /** The node that ran it; null if no node did. */
    readonly node: string | null;
    /** Why it failed, for people. */
    readonly reason: string | null;
    /** Its log lines, oldest first. */
    readonly lines: readonly string[];
  };
  readonly 'task logs': {
    /** The log lines of the task, oldest first. With `--follow`, printed once the task has ended. */
    readonly lines: readonly string[];
  };
  readonly 'task wait': {
    /** The ended tasks, in the order of the ids. */
    readonly tasks: readonly Task[];
  };
  readonly 'task result': {
    /** Id of the task. */
    readonly id: string;
    /** The answer of the agent. */
    readonly text: string;
  };
  readonly 'task rerun': EnqueueOutput;
  readonly 'task cancel': SteeredTasks;
  readonly 'task retry': SteeredTasks;
  readonly 'task ack': SteeredTasks;
  readonly 'task remove': SteeredTasks;
  readonly 'task deliver': {
    /** Id of the task. */
    readonly id: string;
    /** Its delivery; `pending` until the answer has been sent again. */
    readonly delivery: Task['delivery'];
  };
  readonly 'node list': {
    /** All nodes that the mesh knows. */
    readonly nodes: readonly Node[];
  };
  readonly 'node show': Node;
  readonly 'node drain': SteeredNode;
  readonly 'node pause': SteeredNode;
  readonly 'node resume': SteeredNode;
  readonly 'node evict': {
    /** The evicted node. */
    readonly id: string;
    /** Ids of the tasks that were requeued. */
    readonly requeued: readonly string[];
  };
  readonly 'node forget': {
    /** The forgotten node. */
    readonly id: string;
    /** Always true; an error has another exit code and prints no JSON. */
    readonly forgotten: true;
    /** Whether `nodes` in the config still lists the node; `status` then reports it as missing. */
    readonly inInventory: boolean;
    /** Number of tasks that only this node may run. */
    readonly waiting: number;
  };
  readonly 'node install': ServiceChange;
  readonly 'node uninstall': ServiceChange;
  readonly 'node start': ServiceChange;
  readonly 'node stop': ServiceChange;
  readonly 'node restart': ServiceChange;
  readonly status: Snapshot;
  readonly handovers: {
    /** The newest first. */
    readonly handovers: readonly Handover[];
  };
  readonly doctor: {
    /** The results of all checks, as they were before `--fix` applied a remedy. */
    readonly checks: readonly CheckResult[];
  };
  readonly 'drill failover': DrillReport;
  readonly 'pool list': {
    /** All pools that were ever used or served. */
    readonly pools: readonly PoolView[];
  };
  readonly 'pool pause': SteeredPool;
  readonly 'pool resume': SteeredPool;
  readonly 'circuit list': {
    /** Open circuits first, then by name. */
    readonly circuits: readonly CircuitView[];
  };
  readonly 'circuit close': {
    /** Name of the circuit. */
    readonly name: string;
    /** Whether it was open. */
    readonly closed: boolean;
    /** Number of tasks that were released. */
    readonly released: number;
  };
  readonly 'schedule add': Schedule;
  readonly 'schedule show': ScheduleDetails;
  readonly 'schedule update': Schedule;
  readonly 'schedule run': EnqueueOutput;
  readonly 'schedule list': {
    /** All schedules, by name. */
    readonly schedules: readonly Schedule[];
  };
  readonly 'schedule remove': {
    /** Name of the schedule. */
    readonly name: string;
    /** Always true; an error has another exit code and prints no JSON. */
    readonly removed: true;
  };
  readonly 'schedule pause': Schedule;
  readonly 'schedule resume': Schedule;
  readonly 'schedule import-openclaw': {
    /** Address of the gateway. */
    readonly gateway: string;
    /** Whether nothing was changed. */
    readonly dryRun: boolean;
    /** The enabled jobs of the gateway, and those that were imported earlier. */
    readonly jobs: readonly JobReport[];
  };
  readonly events: {
    /** The newest events, oldest first. */
    readonly events: readonly MeshEvent[];
  };
  readonly 'alerts test': {
    /** Always true; an error has another exit code and prints no JSON. */
    readonly delivered: true;
  };
  readonly dashboard: DashboardLinks;
  readonly 'redis acl': {
    /** Name of the Redis user. */
    readonly user: string;
    /** Role of the user. */
    readonly role: (typeof ACL_ROLES)[number] | (typeof SERVER_ROLES)[number];
    /** ACL rules, for an ACL file or `ACL SETUSER`. They contain only the hash of the password. */
    readonly rules: string;
    /** Redis commands that the role requires; `a|b` is subcommand b of a. */
    readonly commands: readonly string[];
  };
  readonly 'mesh list': {
    /** The meshes of this user, by name. */
    readonly meshes: readonly NamedMesh[];
  };
  readonly 'mesh add': NamedMesh;
  readonly 'mesh use': {
    /** The name of the mesh in use; null for none. */
    readonly inUse: string | null;
  };
  readonly 'mesh remove': {
    /** Name of the mesh. */
    readonly name: string;
    /** Always true; an error has another exit code and prints no JSON. */
    readonly removed: true;
  };
  readonly 'config check': {
    /** Always true; an error has another exit code and prints no JSON. */
    readonly ok: true;
    /** The config file; null without one. */
    readonly file: string | null;
    /** Name of the mesh. */
    readonly mesh: string;
    /** Digest of the settings that all nodes share, as `config digest` prints it. */
    readonly digest: string;
  };
  /** The merged config, as in the config file. Secrets are masked; durations and sizes are text with a unit. */
  readonly 'config show': Readonly<Record<string, unknown>>;
  readonly 'config digest': {
    /** Digest of the settings that all nodes share. */
    readonly digest: string;
  };
}

/** The line on stderr of a command that fails, if it prints JSON. */
export interface JsonError {
  readonly error: {
    /** One of the error codes. */
    readonly code: ErrorCode;
    /** What is wrong and where, for people. */
    readonly problem: string;
    /** What to do, for people; null if there is nothing to add. */
    readonly remedy: string | null;
    /** The exit code of the command. */
    readonly exitCode: number;
    /** Only with `--verbose`: where the error arose. */
    readonly stack?: string;
  };
}

/** The documents of commands that print one per line, for as long as they run: a JSON Lines stream. */
export interface JsonLines {
  readonly 'events --follow': MeshEvent;
  readonly 'handovers --follow': Handover;
  readonly 'status --watch': Snapshot;
}

/** The queued tasks. */
export interface EnqueueOutput {
  /** In the order of the input. */
  readonly tasks: readonly Enqueued[];
  /** Only with `--from`: true if another import of the same file ran at the same time, with the same tasks. */
  readonly shared?: true;
}

/** A task that `enqueue --wait` has queued, after its end. */
export interface AwaitedTask extends Enqueued, Partial<Pick<Task, 'result' | 'error'>> {}

/** Tasks that match. */
export interface TaskList {
  /** The newest first. */
  readonly tasks: readonly Task[];
  /** Number of further tasks that match; null if that would require reading all tasks. */
  readonly more: number | null;
}

/** The outcome of steering tasks. */
export interface SteeredTasks {
  /** The tasks for which the command succeeded. */
  readonly tasks: readonly {
    /** Id of the task. */
    readonly id: string;
    /** What has happened to it, for people. */
    readonly outcome: string;
  }[];
  /** One message for each task for which it failed. */
  readonly errors: readonly string[];
}

/** A node after an operator has drained, paused or resumed it. */
export interface SteeredNode extends Pick<Node, 'id' | 'state' | 'running' | 'orphaned'> {
  /** What the operator asked for. */
  readonly wanted: 'drain' | 'pause' | 'resume';
}

/** A pool after an operator has paused or resumed it. */
export interface SteeredPool {
  /** Name of the pool. */
  readonly pool: string;
  /** Whether the pool is paused now. */
  readonly paused: boolean;
}

/** A change of this machine's service. */
export interface ServiceChange {
  /** Name of the service. */
  readonly service: string;
  /** File of its definition. */
  readonly file: string;
  /** Whether the steps were only printed. */
  readonly dryRun: boolean;
  /** The steps of the change; empty if nothing had to change. */
  readonly steps: readonly Step[];
}

/** A check of the doctor. */
export interface CheckResult extends Omit<Check, 'repair'> {
  /** Whether `doctor --fix` can fix it. */
  readonly repairable: boolean;
}

/** Addresses of a dashboard. */
export interface DashboardLinks {
  /** Address of the page. */
  readonly url: string;
  /** Link that logs in once, within 10 minutes. */
  readonly loginUrl: string;
}
