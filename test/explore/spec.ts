import type { DispatchStrategy } from '../../src/domain/dispatch.ts';
import type { ErrorKind } from '../../src/domain/error-kind.ts';
import type { ScheduleTimes } from '../../src/domain/schedule.ts';
import type { NewTask } from '../../src/domain/task.ts';

/** Where the virtual clock begins, ms. */
export const BEGINNING = 1_800_000_000_000;
/** Longer than a delay, and the wait for a probe: who lets time pass does not kill all nodes each time. */
export const LEASE_MS = 600_000;
/** A day, ms: nothing ends by itself in this time. It is the visibility timeout, too. */
export const LONG_MS = 86_400_000;
/** How long ended tasks are kept before they expire: as long as time passes at once when nothing is due, ms. */
export const KEPT_MS = 3_600_000;
export const STICKY_MS = 1_800_000;
export const MAX_HANDOVERS = 4;
/** How far a clock jumps, ms: past everything that is due in a small world. */
export const JUMP_MS = LONG_MS + 3_600_000;
/** Runs that a node has at once in each pool. */
export const SLOTS = 2;

export interface NodeSpec {
  readonly id: string;
  readonly pools: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** What may happen to a mesh beside what nodes do and people ask for. */
export type RedisFault =
  /** Redis forgets what came after a moment: its last second of AOF, or what a replica had not heard of. */
  | 'memory'
  /** Redis is emptied, and its scripts are forgotten. */
  | 'emptied'
  /** Redis' clock jumps. */
  | 'clock';

/** What there is to explore: nodes, tasks that are queued at some time, and what may happen to them. */
export interface WorldSpec {
  readonly name: string;
  readonly nodes: readonly NodeSpec[];
  /** `after` names tasks by their number, from 1. */
  readonly tasks: readonly (Partial<Omit<NewTask, 'after'>> & { after?: readonly number[] })[];
  /** Schedules by their name. */
  readonly schedules?: Readonly<Record<string, ScheduleTimes>>;
  /** Kinds of failures beside `crash`. */
  readonly failures?: readonly ErrorKind[];
  /** Whether runs are handed to another node since the login was refused. */
  readonly reassigns?: boolean;
  /** Steps that it is about: random ways take them more often. */
  readonly often?: RegExp;
  readonly redisFaults?: readonly RedisFault[];
  /** How tasks are spread, one after the other; `pull` by default. */
  readonly strategies?: readonly DispatchStrategy[];
  /** Whether an operator evicts nodes that are alive. */
  readonly evicts?: boolean;
}
