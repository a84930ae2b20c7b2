import { describe, expect, it } from 'vitest';
import {
  allows,
  ENDED_STATES,
  isEnded,
  QUEUE_STATES,
  type QueueState,
  statesBefore,
  TASK_STATES,
  TASK_TRANSITIONS,
  type TaskTransition,
} from '../../src/domain/task-state.ts';
import { CAUSES } from '../../src/domain/transition.ts';
import { type Happening, happeningOf, pathOf } from '../model/task-paths.ts';

const STATES = Object.keys(QUEUE_STATES) as QueueState[];
const from = (state: QueueState) => TASK_TRANSITIONS.filter((row) => row.from === state);
const to = (state: QueueState) => TASK_TRANSITIONS.filter((row) => row.to === state);
const happenings = (rows: readonly TaskTransition[]) => [...new Set(rows.map(happeningOf))].sort();
const every = happenings(TASK_TRANSITIONS);
const without = (...left: readonly string[]) => every.filter((happening) => !left.includes(happening));

describe('the transition table of a task', () => {
  it('lists each transition once, and none that keeps the state', () => {
    const names = TASK_TRANSITIONS.map((row) => `${row.from} ${row.to} ${happeningOf(row)}`);
    expect(new Set(names).size).toBe(names.length);
    expect(TASK_TRANSITIONS.filter((row) => (row.from as string) === row.to)).toEqual([]);
    expect(new Set(TASK_TRANSITIONS.map(({ by }) => by))).toEqual(new Set(CAUSES));
  });

  it.each(STATES)('reaches %s from each other state', (state) => {
    for (const other of STATES) {
      // Once removed, a task is queued again.
      if (other !== state) expect(pathOf(other, state, every), `from ${other}`).toBeDefined();
    }
  });

  it.each(['waiting', 'held', 'delayed', 'active'] as const)(
    'leads from %s to each final state without any command except cancel',
    (state) => {
      const unaided = every.filter((happening) => !happening.endsWith('by command'));
      expect(pathOf(state, 'completed', unaided)).toBeDefined();
      expect(pathOf(state, 'failed', unaided)).toBeDefined();
      expect(pathOf(state, 'cancelled', [...unaided, 'cancel by command'])).toBeDefined();
    },
  );

  it('resumes an ended task only when an operator retries it, and never a completed one', () => {
    const left = (state: QueueState) => happenings(from(state).filter((row) => row.to !== 'none'));
    expect(left('completed')).toEqual([]);
    expect(left('failed')).toEqual(['retry by command']);
    expect(left('cancelled')).toEqual(['retry by command']);
  });

  it('makes a task active only by a claim', () => {
    expect(happenings(to('active'))).toEqual(['claim by node']);
    expect(happenings(to('completed'))).toEqual(['complete by node']);
  });

  it('never takes a running task from its node by a command or by time', () => {
    expect(from('active').filter(({ by }) => by !== 'node' && by !== 'sweep')).toEqual([]);
    expect(to('none').filter((row) => (row.from as string) === 'active')).toEqual([]);
  });

  it('cancels a task only after a command, in each state that is not final', () => {
    const cancelling = happenings(to('cancelled'));
    expect(cancelling).toEqual(['cancel by command', 'cancel by node', 'cancel by sweep']);
    expect(to('cancelled').map((row) => row.from)).toEqual(expect.arrayContaining(['waiting', 'held', 'delayed']));
    expect(pathOf('none', 'cancelled', without(...cancelling))).toBeUndefined();
  });

  it('lets time only put a task in line', () => {
    expect(TASK_TRANSITIONS.filter(({ by }) => by === 'time').map((row) => row.to)).toEqual(['waiting']);
  });
});

describe('what commands derive from the table', () => {
  it.each(TASK_STATES)('agrees with the documented commands for a %s task', (state) => {
    const open = ['waiting', 'delayed', 'active'].includes(state);
    expect(isEnded(state)).toBe(!open);
    expect(allows(state, 'cancel')).toBe(open);
    expect(allows(state, 'retry')).toBe(state === 'failed' || state === 'cancelled');
    expect(allows(state, 'remove')).toBe(state !== 'active');
  });

  it('lists states in their usual order, and counts held tasks as waiting', () => {
    expect(ENDED_STATES).toEqual(['completed', 'failed', 'cancelled']);
    expect(statesBefore('cancel')).toEqual(['waiting', 'delayed', 'active']);
    expect(statesBefore('cancel', 'command')).toEqual(['waiting', 'delayed']);
    expect(statesBefore('retry', 'command')).toEqual(['failed', 'cancelled']);
    expect(statesBefore('release')).toEqual(['waiting']);
  });
});

describe('a path through the table', () => {
  it('uses only allowed transitions, and is as short as possible', () => {
    const may: Happening[] = ['promote by time', 'claim by node', 'hold by node'];
    expect(pathOf('delayed', 'active', may)?.map(happeningOf)).toEqual(['promote by time', 'claim by node']);
    expect(pathOf('waiting', 'held', may)?.map(happeningOf)).toEqual(['hold by node']);
    expect(pathOf('waiting', 'waiting', may)).toEqual([]);
    expect(pathOf('active', 'completed', may)).toBeUndefined();
    expect(pathOf('completed', 'waiting', every)?.map(happeningOf)).toEqual([
      'remove by command',
      'enqueue by command',
    ]);
  });
});
