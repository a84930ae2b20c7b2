import type { Cause, Transition } from './transition.ts';

/** The states of a task that people and programs see, in display order. */
export const TASK_STATES = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const;
export type TaskState = (typeof TASK_STATES)[number];

/**
 * The states that the queue distinguishes: the visible ones, plus two. `held` tasks are shown as `waiting` with a
 * reason (`heldBy`). `none` means not queued yet, or removed.
 */
export type QueueState = TaskState | 'held' | 'none';

/** What each state means, for people. */
export const QUEUE_STATES: Readonly<Record<QueueState, string>> = {
  none: 'The task does not exist: it is not queued yet, or was removed.',
  waiting: 'In line in its pool; the next free node claims it.',
  held: 'Not in line: it waits for a circuit, other tasks, its session or certain nodes. Shown as `waiting` with the reason (`heldBy`).',
  delayed:
    'Not in line until a certain time: the end of its delay, its scheduled time, or the end of the back-off before the next attempt.',
  active: 'A node has claimed it and runs it.',
  completed: 'Ended: a run succeeded. Its result is kept.',
  failed: 'Ended: no further attempt is allowed (dead letter). Its error is kept.',
  cancelled: 'Ended: an operator cancelled it.',
};

/** As {@link Transition}, with one state on each side. */
interface Row extends Omit<Transition<QueueState>, 'from' | 'to'> {
  readonly from: QueueState;
  readonly to: QueueState;
}

/**
 * All transitions of a task's state. Changes that keep the state have no row: a claim is renewed or adopted, a running
 * task is marked as cancelled, a held task gets another reason.
 *
 * Tests hold the queue to this table (`test/queue/task-states.test.ts`, `test/explore`), and the docs are generated
 * from it.
 */
export const TASK_TRANSITIONS = [
  {
    from: 'none',
    to: 'waiting',
    event: 'enqueue',
    by: 'command',
    when: 'A command enqueues a task that may run at once on any node.',
  },
  {
    from: 'none',
    to: 'delayed',
    event: 'enqueue',
    by: 'command',
    when: 'A command enqueues a task with a delay, or the first task of a schedule.',
  },
  {
    from: 'none',
    to: 'held',
    event: 'enqueue',
    by: 'command',
    when: 'A command enqueues a task that waits for other tasks (`--after`), or that only certain nodes may run.',
  },
  {
    from: 'none',
    to: 'delayed',
    event: 'enqueue',
    by: 'node',
    when: 'A node claims a task of a schedule and enqueues the next one.',
  },
  {
    from: 'waiting',
    to: 'active',
    event: 'claim',
    by: 'node',
    when: 'A node with a free slot claims the first task in line, if its pool is not paused and the strategy allows it.',
  },
  {
    from: 'waiting',
    to: 'held',
    event: 'hold',
    by: 'node',
    when: 'A node would claim the task, but its session is busy or sticky to another node that is present.',
  },
  {
    from: 'waiting',
    to: 'cancelled',
    event: 'cancel',
    by: 'command',
    when: 'The task is cancelled before it runs.',
  },
  {
    from: 'held',
    to: 'waiting',
    event: 'release',
    by: 'sweep',
    when: 'The reason for the hold has ended: the tasks before it completed, its circuit closed or is due for a probe, its session is free, or the node that it waits for did not claim it in time.',
  },
  {
    from: 'held',
    to: 'active',
    event: 'claim',
    by: 'node',
    when: 'A node claims a task that is held for nodes such as this one, or whose session is sticky to it.',
  },
  {
    from: 'held',
    to: 'failed',
    event: 'fail',
    by: 'sweep',
    when: 'A task that it waits for (`--after`) failed, was cancelled or was removed.',
  },
  {
    from: 'held',
    to: 'cancelled',
    event: 'cancel',
    by: 'command',
    when: 'The task is cancelled before it runs.',
  },
  {
    from: 'delayed',
    to: 'waiting',
    event: 'promote',
    by: 'time',
    when: 'Its time has come. The next claim in its pool puts it in line.',
  },
  {
    from: 'delayed',
    to: 'cancelled',
    event: 'cancel',
    by: 'command',
    when: 'The task is cancelled before its time has come.',
  },
  {
    from: 'active',
    to: 'completed',
    event: 'complete',
    by: 'node',
    when: 'The node reports that the run succeeded.',
  },
  {
    from: 'active',
    to: 'delayed',
    event: 'retry',
    by: 'node',
    when: 'The run failed with a retryable error, and attempts are left. The next attempt follows after a back-off.',
  },
  {
    from: 'active',
    to: 'failed',
    event: 'fail',
    by: 'node',
    when: 'The run failed, and its error is not retryable or no attempts are left. Or the task is invalid.',
  },
  {
    from: 'active',
    to: 'held',
    event: 'hold',
    by: 'node',
    when: 'The task must wait: its circuit is open, or only other nodes may run it. After a failed run, only if the task may run once more.',
  },
  {
    from: 'active',
    to: 'waiting',
    event: 'requeue',
    by: 'node',
    when: 'The node releases the task, because it stops or cannot run it now. A handover, to the head of the line.',
  },
  {
    from: 'active',
    to: 'waiting',
    event: 'reassign',
    by: 'node',
    when: 'The provider refused the login of the node, and the task may run once more. Another node gets it.',
  },
  {
    from: 'active',
    to: 'waiting',
    event: 'requeue',
    by: 'sweep',
    when: 'The claim is orphaned: its incarnation is dead or was replaced, or the claim lapsed. A handover, to the head of the line.',
  },
  {
    from: 'active',
    to: 'failed',
    event: 'fail',
    by: 'sweep',
    when: 'The claim is orphaned, and the task was lost with its node more than `queue.maxHandovers` times.',
  },
  {
    from: 'active',
    to: 'cancelled',
    event: 'cancel',
    by: 'node',
    when: 'The task was cancelled, and its node stopped the run or releases the task.',
  },
  {
    from: 'active',
    to: 'cancelled',
    event: 'cancel',
    by: 'sweep',
    when: 'The task was cancelled, and its claim is orphaned.',
  },
  {
    from: 'failed',
    to: 'waiting',
    event: 'retry',
    by: 'command',
    when: 'An operator retries the task. It gets its original number of attempts again.',
  },
  {
    from: 'failed',
    to: 'held',
    event: 'retry',
    by: 'command',
    when: 'An operator retries a task that waits for other tasks and has never run.',
  },
  {
    from: 'cancelled',
    to: 'waiting',
    event: 'retry',
    by: 'command',
    when: 'An operator retries the task. It gets its original number of attempts again.',
  },
  {
    from: 'cancelled',
    to: 'held',
    event: 'retry',
    by: 'command',
    when: 'An operator retries a task that waits for other tasks and has never run.',
  },
  {
    from: 'waiting',
    to: 'none',
    event: 'remove',
    by: 'command',
    when: 'An operator removes the task, or its schedule.',
  },
  {
    from: 'held',
    to: 'none',
    event: 'remove',
    by: 'command',
    when: 'An operator removes the task, or its schedule.',
  },
  {
    from: 'delayed',
    to: 'none',
    event: 'remove',
    by: 'command',
    when: 'An operator removes the task, or removes or pauses its schedule.',
  },
  { from: 'completed', to: 'none', event: 'remove', by: 'command', when: 'An operator removes the task.' },
  { from: 'failed', to: 'none', event: 'remove', by: 'command', when: 'An operator removes the task.' },
  { from: 'cancelled', to: 'none', event: 'remove', by: 'command', when: 'An operator removes the task.' },
  {
    from: 'completed',
    to: 'none',
    event: 'expire',
    by: 'sweep',
    when: 'It was kept for `queue.retention.completed`, or exceeds `queue.retention.count`.',
  },
  {
    from: 'failed',
    to: 'none',
    event: 'expire',
    by: 'sweep',
    when: 'It was kept for `queue.retention.failed`, or exceeds `queue.retention.count`.',
  },
  {
    from: 'cancelled',
    to: 'none',
    event: 'expire',
    by: 'sweep',
    when: 'It was kept for `queue.retention.failed`, or exceeds `queue.retention.count`.',
  },
] as const satisfies readonly Row[];

export type TaskTransition = (typeof TASK_TRANSITIONS)[number];
export type TaskEvent = TaskTransition['event'];

/** The states that only a command can end, until the task expires: no node and no time does. */
export type EndedState = Exclude<TaskState, Extract<TaskTransition, { by: 'node' | 'time' }>['from']>;

/** Whether a task stays in this state until a command moves it or it is removed. */
export function isEnded(state: TaskState): state is EndedState {
  return !TASK_TRANSITIONS.some(({ from, by }) => from === state && (by === 'node' || by === 'time'));
}

export const ENDED_STATES: readonly EndedState[] = TASK_STATES.filter(isEnded);

/** The state that people see. */
export function shownState(state: Exclude<QueueState, 'none'>): TaskState {
  return state === 'held' ? 'waiting' : state;
}

/** The visible states in which this event can happen; with `by`, only if it has this cause. */
export function statesBefore(event: TaskEvent, by?: Cause): TaskState[] {
  const from = TASK_TRANSITIONS.filter((row) => row.event === event && (by === undefined || row.by === by));
  return TASK_STATES.filter((state) => from.some((row) => row.from !== 'none' && shownState(row.from) === state));
}

/** Whether an operator can cancel, retry or remove a task in this state. */
export function allows(state: TaskState, operation: 'cancel' | 'retry' | 'remove'): boolean {
  // A command only marks a running task as cancelled; its node ends it.
  return statesBefore(operation, operation === 'cancel' ? undefined : 'command').includes(state);
}
