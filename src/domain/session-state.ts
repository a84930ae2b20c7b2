import type { Transition } from './transition.ts';

/** The states of a session, and what each means, for people. */
export const SESSION_STATES = {
  none: 'No run of the session has begun in the last 30 days. Any node may run its next task.',
  free: 'Its last task has ended. The next one runs on its sticky node, while that is present.',
  running: 'One of its tasks runs. All others are held.',
  waiting:
    'Its current task waits: in line, for its next attempt, for its provider or for certain nodes. All others are held.',
} as const;
export type SessionState = keyof typeof SESSION_STATES;

const IDLE = ['none', 'free'] as const;

/** All transitions of a session's state. A test holds the scripts to this table. */
export const SESSION_TRANSITIONS = [
  {
    from: IDLE,
    to: ['running'],
    event: 'claim',
    by: 'node',
    when: 'A node claims the first task of the session, which becomes its current task. The node becomes its sticky node.',
  },
  {
    from: ['waiting'],
    to: ['running'],
    event: 'claim',
    by: 'node',
    when: 'A node claims the current task again. The node becomes its sticky node.',
  },
  {
    from: IDLE,
    to: ['waiting'],
    event: 'release',
    by: 'sweep',
    when: 'The sticky node is gone, or did not claim the first held task in time. The task goes to the head of the line, for any node.',
  },
  {
    from: IDLE,
    to: ['waiting'],
    event: 'retry',
    by: 'command',
    when: 'An operator retries the last task.',
  },
  {
    from: ['running'],
    to: ['waiting'],
    event: 'suspend',
    by: 'node',
    when: 'Another attempt follows, or the node releases, reassigns or holds the task. If no run has begun, the session keeps its previous sticky node.',
  },
  {
    from: ['running'],
    to: ['waiting'],
    event: 'requeue',
    by: 'sweep',
    when: 'The claim on the task is orphaned.',
  },
  {
    from: ['running'],
    to: ['free'],
    event: 'end',
    by: 'node',
    when: 'The node reports that the task completed, failed or was cancelled.',
  },
  {
    from: ['running'],
    to: ['free'],
    event: 'end',
    by: 'sweep',
    when: 'The claim on the task is orphaned, and the task was cancelled or lost too often.',
  },
  {
    from: ['waiting'],
    to: IDLE,
    event: 'end',
    by: 'command',
    when: 'An operator cancels or removes the current task.',
  },
  {
    from: ['waiting'],
    to: IDLE,
    event: 'end',
    by: 'sweep',
    when: 'The current task fails, because a task that it waits for (`--after`) failed or is gone.',
  },
  {
    from: ['free', 'running', 'waiting'],
    to: ['none'],
    event: 'expire',
    by: 'time',
    when: 'No task of the session has started for 30 days.',
  },
] as const satisfies readonly Transition<SessionState>[];
