import type { Transition } from './transition.ts';

/** The states of a schedule, and what each means, for people. */
export const SCHEDULE_STATES = {
  none: 'There is no schedule of this name.',
  armed: 'Its next task is queued. No node has claimed it yet.',
  unarmed: 'Its next task was claimed, cancelled or removed, and the following one is not queued yet.',
  paused: 'An operator paused it. It has no next task.',
} as const;
export type ScheduleState = keyof typeof SCHEDULE_STATES;

/** All transitions of a schedule's state. A test holds the scripts to this table. */
export const SCHEDULE_TRANSITIONS = [
  {
    from: ['none'],
    to: ['armed'],
    event: 'add',
    by: 'command',
    when: 'An operator adds the schedule, with its next task.',
  },
  { from: ['armed'], to: ['unarmed'], event: 'claim', by: 'node', when: 'A node claims the next task.' },
  {
    from: ['unarmed'],
    to: ['armed'],
    event: 'advance',
    by: 'node',
    when: 'The node that claimed the task queues the following one.',
  },
  {
    from: ['armed'],
    to: ['unarmed'],
    event: 'skip',
    by: 'command',
    when: 'An operator cancels or removes the next task.',
  },
  {
    from: ['unarmed'],
    to: ['armed'],
    event: 'mend',
    by: 'sweep',
    when: 'A node notices that there is no next task, and queues it.',
  },
  {
    from: ['unarmed'],
    to: ['armed'],
    event: 'retry',
    by: 'command',
    when: 'An operator retries the next task, which was cancelled.',
  },
  {
    from: ['unarmed'],
    to: ['armed'],
    event: 'update',
    by: 'command',
    when: 'An operator changes the schedule, which queues its next task again.',
  },
  {
    from: ['armed', 'unarmed'],
    to: ['paused'],
    event: 'pause',
    by: 'command',
    when: 'An operator pauses the schedule. Its tasks that no node has started are removed.',
  },
  {
    from: ['paused'],
    to: ['armed'],
    event: 'resume',
    by: 'command',
    when: 'An operator resumes the schedule.',
  },
  {
    from: ['armed', 'unarmed', 'paused'],
    to: ['none'],
    event: 'remove',
    by: 'command',
    when: 'An operator removes the schedule. Its tasks that no node has started are removed.',
  },
] as const satisfies readonly Transition<ScheduleState>[];
