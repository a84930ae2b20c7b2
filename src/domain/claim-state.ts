import type { Transition } from './transition.ts';

/** The states of the claim on a task, and what each means, for people. */
export const CLAIM_STATES = {
  none: 'No node has claimed the task.',
  current: 'The current incarnation of a node has claimed the task, runs it and renews the claim.',
  lapsed: 'The visibility timeout passed without a renewal. The next sweep requeues the task.',
  reserved: 'The daemon of its node has started again, and may still adopt the run. No sweep requeues the task.',
  orphaned: 'Its incarnation is fenced: dead, evicted or replaced. The next sweep requeues the task.',
} as const;
export type ClaimState = keyof typeof CLAIM_STATES;

/** All transitions of the claim on a task. A test holds the scripts to this table. */
export const CLAIM_TRANSITIONS = [
  { from: ['none'], to: ['current'], event: 'claim', by: 'node', when: 'A node claims the task.' },
  {
    from: ['current', 'lapsed'],
    to: ['none'],
    event: 'end',
    by: 'node',
    when: 'The node reports the end of the run, or releases, reassigns or holds the task.',
  },
  {
    from: ['current', 'orphaned', 'reserved'],
    to: ['lapsed'],
    event: 'lapse',
    by: 'time',
    when: 'The visibility timeout passed without a renewal.',
  },
  {
    from: ['lapsed'],
    to: ['current'],
    event: 'renew',
    by: 'node',
    when: 'The node renews the claim late, or writes to the log of the task, before any sweep requeued it.',
  },
  {
    from: ['current'],
    to: ['orphaned'],
    event: 'fence',
    by: 'command',
    when: 'An operator evicted the node.',
  },
  {
    from: ['current'],
    to: ['orphaned'],
    event: 'fence',
    by: 'sweep',
    when: 'A sweep declared the node dead.',
  },
  {
    from: ['current'],
    to: ['orphaned'],
    event: 'replace',
    by: 'node',
    when: 'The daemon of the node starts as a new incarnation, which adopts no runs.',
  },
  {
    from: ['current'],
    to: ['reserved'],
    event: 'reserve',
    by: 'node',
    when: 'The daemon of the node starts as a new incarnation, which may adopt runs that outlived the previous one.',
  },
  {
    from: ['reserved', 'orphaned'],
    to: ['current'],
    event: 'adopt',
    by: 'node',
    when: 'The new incarnation adopts the run, before any sweep requeued the task.',
  },
  {
    from: ['reserved'],
    to: ['orphaned'],
    event: 'end-reservation',
    by: 'node',
    when: 'The new incarnation has adopted what it wanted.',
  },
  {
    from: ['reserved'],
    to: ['orphaned'],
    event: 'end-reservation',
    by: 'time',
    when: 'The new incarnation did not adopt the run in time.',
  },
  {
    from: ['lapsed', 'orphaned'],
    to: ['none'],
    event: 'requeue',
    by: 'sweep',
    when: 'A sweep requeues the task, which then fails if it was lost too often.',
  },
] as const satisfies readonly Transition<ClaimState>[];
