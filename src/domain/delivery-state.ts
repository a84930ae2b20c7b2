import type { Transition } from './transition.ts';

/** The states of an answer's delivery, and what each means, for people. */
export const DELIVERY_STATES = {
  none: 'The task has not ended, or has no recipient.',
  pending: 'The answer is in the outbox of its channel, and waits for a node that can send it, or for the next try.',
  sending: 'A node sends it. If the node dies, its next incarnation takes over, or another node.',
  delivered: 'The gateway of the channel, or the webhook, has accepted it.',
  failed: 'It was refused for good, or no node could send it for too long. An operator can send it again.',
} as const;
export type DeliveryState = keyof typeof DELIVERY_STATES;

const WITH_END = ['pending', 'sending', 'delivered', 'failed'] as const;

/** All transitions of a delivery's state. A test holds the scripts to this table. */
export const DELIVERY_TRANSITIONS = [
  {
    from: ['none'],
    to: ['pending'],
    event: 'end',
    by: 'node',
    when: 'A task with a recipient completed, failed or was cancelled, by the report of its node.',
  },
  {
    from: ['none'],
    to: ['pending'],
    event: 'end',
    by: 'sweep',
    when: 'A task with a recipient ended while no node ran it: too many handovers, or the task before it failed.',
  },
  {
    from: ['none'],
    to: ['pending'],
    event: 'end',
    by: 'command',
    when: 'An operator cancelled a task with a recipient before it ran.',
  },
  {
    from: ['pending'],
    to: ['sending'],
    event: 'take',
    by: 'node',
    when: 'The next try is due, and a node has the channel.',
  },
  {
    from: ['sending'],
    to: ['sending'],
    event: 'take',
    by: 'node',
    when: 'Its node died. The next incarnation of the node takes over at once, another node when the reservation has lapsed.',
  },
  {
    from: ['sending'],
    to: ['delivered'],
    event: 'deliver',
    by: 'node',
    when: 'The gateway or the webhook has accepted the answer.',
  },
  {
    from: ['sending'],
    to: ['pending'],
    event: 'postpone',
    by: 'node',
    when: 'The try failed, and another one may succeed.',
  },
  {
    from: ['sending'],
    to: ['failed'],
    event: 'fail',
    by: 'node',
    when: 'The recipient was refused for good, or the tries have taken too long.',
  },
  {
    from: ['pending', 'sending'],
    to: ['failed'],
    event: 'expire',
    by: 'sweep',
    when: 'No node that has the channel took the answer in `delivery.giveUpAfter`.',
  },
  {
    from: ['delivered', 'failed'],
    to: ['pending'],
    event: 'redeliver',
    by: 'command',
    when: 'An operator asked for another delivery. It counts as a new one, so the recipient may get the answer twice.',
  },
  {
    from: WITH_END,
    to: ['none'],
    event: 'retry',
    by: 'command',
    when: 'An operator queued the task again: its next end has a delivery of its own.',
  },
] as const satisfies readonly Transition<DeliveryState>[];
