import type { QueueState, TaskTransition } from '../../src/domain/task-state.ts';
import { type Happening, pathOf } from '../model/task-paths.ts';
import { BrokenPromise } from './invariants.ts';
import { isScheduled } from './mind.ts';
import { isHeld, type Picture, type TaskPicture } from './picture.ts';

/** After these a task may be anything that it once was. */
const ANYTHING = /^redis (forgets|emptied)/;

/** What a step may do to the state of tasks. A step that is not listed may do nothing to it. */
const MAY: readonly (readonly [step: RegExp, may: readonly Happening[]])[] = [
  [/^enqueue /, ['enqueue by command']],
  [/^cancel /, ['cancel by command']],
  [/^retry /, ['retry by command']],
  [/^remove /, ['remove by command']],
  [/^expire/, ['expire by sweep']],
  [/^schedule /, ['enqueue by command', 'remove by command']],
  [/^schedules mended/, ['enqueue by node']],
  [/^release held/, ['release by sweep', 'fail by sweep']],
  // A claim promotes what is due, in the same script. A task that was cancelled while it ran ends once it is claimed again.
  [/^\S+ claim /, ['promote by time', 'claim by node', 'hold by node', 'cancel by node', 'enqueue by node']],
  [
    /^\S+ takes held/,
    ['release by sweep', 'fail by sweep', 'claim by node', 'hold by node', 'cancel by node', 'enqueue by node'],
  ],
  // A claim that no node knew is checked as a new one.
  [/^\S+ recovers/, ['hold by node', 'cancel by node', 'enqueue by node']],
  // So does one whose run is adopted.
  [/^\S+ starts again/, ['cancel by node', 'enqueue by node']],
  [/^\S+ requeues/, ['requeue by sweep', 'fail by sweep', 'cancel by sweep']],
  [/^\S+ succeeds /, ['complete by node']],
  [/^\S+ crash /, ['retry by node', 'fail by node']],
  [/^\S+ (provider|rate_limit) /, ['retry by node', 'fail by node', 'hold by node']],
  [/^\S+ (invalid|auth) /, ['fail by node']],
  [/^\S+ releases /, ['requeue by node', 'cancel by node']],
  [/^\S+ reassigns /, ['reassign by node']],
];

const claim = 'mac-1 claim default';
const anHour = ['time', 'time', 'time'];

/** Ways through rows that random ones seldom meet. */
export const RARE_WAYS: readonly {
  readonly world: string;
  readonly what: string;
  readonly steps: readonly string[];
}[] = [
  {
    world: 'after',
    what: 'a task is cancelled and retried before those that it comes after',
    steps: ['enqueue 1', 'enqueue 2', 'cancel 2', 'retry 2'],
  },
  {
    world: 'after',
    what: 'a task fails with the one before it, and both are retried',
    steps: ['enqueue 1', 'enqueue 2', 'cancel 1', 'release held', 'retry 1', 'retry 2'],
  },
  {
    world: 'plain',
    what: 'a task is lost with its node too often, and retried',
    steps: ['enqueue 1', ...Array.from({ length: 5 }, () => [claim, 'lapse 1', 'mac-2 requeues']).flat(), 'retry 1'],
  },
  {
    world: 'plain',
    what: 'a cancelled task is released, and retried',
    steps: ['enqueue 1', claim, 'cancel 1', 'mac-1~1 releases 1', 'retry 1'],
  },
  {
    world: 'plain',
    what: 'a cancelled task is lost with its node',
    steps: ['enqueue 1', claim, 'cancel 1', 'lapse 1', 'mac-2 requeues'],
  },
  {
    world: 'plain',
    what: 'what completed or was cancelled expires',
    steps: ['enqueue 1', 'cancel 1', 'enqueue 2', claim, 'mac-1~1 succeeds 2', ...anHour, 'expire'],
  },
  {
    world: 'plain',
    what: 'what failed expires',
    steps: ['enqueue 1', claim, 'mac-1~1 crash 1', 'time', claim, 'mac-1~1 crash 1', ...anHour, 'expire'],
  },
  ...['remove', 'cancel'].map((how) => ({
    world: 'circuit',
    what: `the task that tries whether a provider is back is gone (${how}), and another one waits for its circuit`,
    steps: [...['enqueue 1', 'enqueue 2', claim, 'mac-1~1 rate_limit 1', claim, 'time', 'release held'], `${how} 2`],
  })),
];

/**
 * The rows of the transition table that a step has gone through.
 *
 * @throws BrokenPromise if a task has changed its state in a way that the table does not have for this step, or the step is
 * about another task.
 */
export function transitionsOf(step: string, before: Picture, after: Picture): readonly TaskTransition[] {
  const may = MAY.find(([pattern]) => pattern.test(step))?.[1] ?? [];
  if (ANYTHING.test(step)) return [];
  const [, only] = / (\d+)(?: lost| twice)?$/.exec(step) ?? [];
  const rows: TaskTransition[] = [];
  for (const id of new Set([...before.tasks.keys(), ...after.tasks.keys()])) {
    const from = stateOf(before.tasks.get(id));
    const to = stateOf(after.tasks.get(id));
    const path = only === undefined || Number(id) === Number(only) ? pathOf(from, to, may) : pathOf(from, to, []);
    const name = isScheduled(id) ? id : Number(id);
    if (!path) throw new BrokenPromise(`task ${name} went from ${from} to ${to}, which "${step}" cannot cause`);
    rows.push(...path);
  }
  return rows;
}

function stateOf(task: TaskPicture | undefined): QueueState {
  const place = task?.places[0];
  if (!task || !place) return 'none';
  if (place === 'wait' || place === 'prioritized') return 'waiting';
  return isHeld(task) ? 'held' : place;
}
