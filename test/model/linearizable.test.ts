import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explanationOf, questionOf, splitHistory, type TaskHistory } from './check-history.ts';
import type { HistoryLine, LineOf, TaskSeen } from './history.ts';
import { explains, linearize, type Operation, type Specification } from './linearizable.ts';
import { TASK } from './story.ts';
import { type Step, type TaskState, taskMachine } from './task-machine.ts';

/** A register, as in Lowe's paper: small enough for the search to be compared with one that tries every order. */
type Access = { readonly write: number } | { readonly read: number };
const register: Specification<number, Access> = {
  initial: 0,
  key: String,
  apply: (state, step) => ('write' in step ? [step.write] : step.read === state ? [state] : []),
  internal: () => [],
  reduce: (state) => state,
};

/** Tries every order of every choice of the optional ones. */
function tryAll<State, Access>(operations: readonly Operation<Access>[], specification: Specification<State, Access>) {
  const follow = (state: State, left: readonly Operation<Access>[], latestCall: number): boolean =>
    left.every(({ optional }) => optional) ||
    left.some((next, index) => {
      const rest = left.filter((_, other) => other !== index);
      const mayCome = next.answered >= latestCall && rest.every((one) => one.optional || one.answered >= next.called);
      const latest = Math.max(latestCall, next.called);
      return mayCome && specification.apply(state, next.step).some((then) => follow(then, rest, latest));
    });
  return follow(specification.initial, operations, Number.NEGATIVE_INFINITY);
}

const access = fc.oneof(
  fc.record({ write: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ read: fc.integer({ min: 0, max: 3 }) }),
);
const operation = fc
  .record({ step: access, called: fc.nat(12), lasts: fc.nat(8), optional: fc.boolean(), isPending: fc.boolean() })
  .map(({ step, called, lasts, optional, isPending }) => ({
    step,
    called,
    answered: optional && isPending ? Number.POSITIVE_INFINITY : called + lasts,
    optional,
  }));

describe('the search for an order', () => {
  it('finds one exactly where trying every order does, and what it finds is one', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
        const { order } = linearize(operations, register);
        expect(order !== undefined).toBe(tryAll(operations, register));
        if (order) expect(explains(order, operations, register)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('gives up if there are more states than it may look at', () => {
    const operations = Array.from({ length: 10 }, (_, i) => ({ step: { write: i }, called: 0, answered: 1 }));
    const never = [...operations, { step: { read: 99 }, called: 0, answered: 1 }];
    expect(() => linearize(never, register, { limit: 50 })).toThrow('more than 50 states for 11 operations');
  });
});

/** What a run of the specification is like: draws that say which of the possible steps comes next. */
const draw = fc.record({ pick: fc.nat(1_000), ms: fc.integer({ min: 1, max: 3_000 }) });
const draws = fc.array(draw, { minLength: 5, maxLength: 22 });

const NODES = ['mac-1', 'mac-2'];
const FORGETS_MS = 3_000;

interface Drawn {
  readonly pick: number;
  readonly ms: number;
}

/**
 * A history of one task whose every step the specification allows. The task is steered by draws; each request takes
 * its time around the moment at which it takes effect.
 */
function simulate(steps: readonly Drawn[]): HistoryLine[] {
  const lines: HistoryLine[] = [
    { kind: 'begin', version: 1, note: 'simulated', at: 0, forgetsMs: FORGETS_MS, maxHandovers: 2 },
  ];
  const runs: LineOf<'began'>[] = [];
  const machine = () =>
    taskMachine({
      runs,
      attempts: 2,
      maxHandovers: 2,
      shows: [],
      kills: [],
      logged: undefined,
      onRecord: undefined,
      nodes: NODES,
      handoversAtMost: 50,
    });
  let state: TaskState = machine().initial;
  let now = 10_000;
  let kept: { state: TaskState; at: number }[] = [];
  const moment = (ms: number) => ({ called: now - (ms % 700), answered: now + (ms % 900) });
  const base = (ms: number) => ({ kind: 'asked' as const, taskId: TASK, by: 'x', ...moment(ms) });
  /** The log and the record are kept whole, which the search does without. */
  const take = (next: TaskState) => {
    state = next;
    kept = [...kept.filter(({ at }) => at >= now - FORGETS_MS + 1_000), { state, at: now }];
  };
  const tryStep = (step: Step, line: HistoryLine): boolean => {
    const [next] = machine().apply(state, step);
    if (!next) return false;
    lines.push(line);
    take(next);
    return true;
  };
  const askEach = <Line extends Exclude<LineOf<'asked'>, { what: 'cancel' }>>(answers: readonly Line[]) =>
    answers.some((line) => tryStep({ kind: 'asked', line }, line));
  const seen = (): TaskSeen | null => {
    const { place, made, handovers, answer, record } = state.stored;
    if (place === 'absent') return null;
    const entries = record.map((entry) => {
      const [event, node, attempt] = entry.split(' ');
      return {
        event: event as TaskSeen['record'][number]['event'],
        node: node === '-' ? null : (node ?? null),
        attempt: attempt === '-' ? null : Number(attempt),
      };
    });
    return { state: place, made, handovers, answer, record: entries };
  };
  const look = (ms: number) => lines.push({ ...base(ms), what: 'show', answer: seen() });

  const first = { ...base(5), what: 'enqueue', attempts: 2, answer: 'queued' } as const;
  tryStep({ kind: 'asked', line: first }, first);
  for (const { pick, ms } of steps) {
    now += 400 + ms;
    const { stored, begun, ended } = state;
    const running = begun.filter((run) => !(run in ended));
    const choice = pick % 12;
    if (choice <= 2 && stored.place === 'waiting' && !stored.isMarked) {
      // A claim, and most often its run.
      const node = NODES[pick % 2] ?? '';
      const run = { kind: 'began', taskId: TASK, run: `r${runs.length}`, node, incarnation: null } as const;
      const line = { ...run, attempt: stored.made + 1, handovers: stored.handovers, ...moment(0) };
      runs.push(line);
      const claimed = machine()
        .internal(state)
        .find((next) => next.stored.claim === (pick % 5 === 0 ? `?${node}` : line.run));
      if (claimed) take(claimed);
      if (state.claimed.includes(line.run)) tryStep({ kind: 'began', line }, line);
      else runs.pop();
    } else if (choice <= 5 && running.length > 0) {
      const how = (['answered', 'answered', 'failed', 'refused'] as const)[ms % 4] ?? 'answered';
      const line = {
        kind: 'ended',
        taskId: TASK,
        run: running[pick % running.length] ?? '',
        how,
        ...moment(0),
      } as const;
      tryStep({ kind: 'ended', line }, line);
    } else if (choice <= 7) {
      const next = machine().internal(state);
      const [drawn] = next.slice(pick % Math.max(1, next.length));
      if (drawn && stored.place === 'active') take(drawn);
    } else if (choice === 8) {
      const line = { ...base(ms), what: 'retry' } as const;
      askEach((['queued', 'open', 'completed', 'gone'] as const).map((answer) => ({ ...line, answer })));
    } else if (choice === 9) {
      const line = { ...base(ms), what: 'remove' } as const;
      if (pick % 3 === 0) askEach((['running', 'gone', 'removed'] as const).map((answer) => ({ ...line, answer })));
      else look(ms);
    } else if (choice === 10) {
      const answer = stored.place === 'waiting' ? 'cancelled' : stored.place === 'active' ? 'stopping' : undefined;
      const line = { ...base(ms), what: 'cancel', gaveUp: null, answer: answer ?? 'ended' } as const;
      const [next] = answer === undefined ? [] : machine().apply(state, { kind: 'cancel-late', line });
      if (next) {
        lines.push(line);
        take(next);
      }
    } else if (pick % 4 === 0) {
      const back = kept[ms % Math.max(1, kept.length)];
      // The moment of death, from which on nothing is answered.
      now += 1_000;
      if (back && now - back.at <= FORGETS_MS) state = { ...state, stored: back.state.stored };
      lines.push({ kind: 'redis-killed', called: now, answered: now + 500 });
      now += 1_500;
      kept = [{ state, at: now }];
    } else {
      look(ms);
    }
  }
  now += 20_000;
  look(0);
  for (const entry of state.stored.logged) {
    const [from = '', why] = entry.split(' ');
    const reason = why === 'drain' ? 'drain' : why === 'lapsed' ? 'visibility-timeout' : 'crash';
    lines.push({ kind: 'handover', taskId: TASK, from, reason });
  }
  lines.push({ kind: 'log-read', called: now + 1_000, answered: now + 1_010 });
  return lines;
}

const only = (lines: readonly HistoryLine[]) => [...splitHistory(lines)][0] as TaskHistory;

/** The order that was found, put to the specification step by step. */
function isProven(history: TaskHistory): boolean {
  return [false, true].some((forgets) => {
    const { operations, machine } = questionOf(history, forgets);
    const { order } = linearize(operations, taskMachine(machine));
    return order !== undefined && explains(order, operations, taskMachine(machine));
  });
}

/** Whether an order is found where nothing is looked ahead at; undefined where that would take too long. */
function isExplainedTheLongWay(history: TaskHistory): boolean | undefined {
  try {
    return [false, true].some((forgets) => {
      const { operations, machine } = questionOf(history, forgets);
      const whole = taskMachine({ ...machine, onRecord: undefined });
      const bounded = (state: TaskState) => (state.stored.handovers <= machine.handoversAtMost ? state : undefined);
      return linearize(operations, { ...whole, reduce: bounded }, { limit: 2_000 }).order !== undefined;
    });
  } catch {
    return undefined;
  }
}

describe('what the specification does', () => {
  it('is explained, whatever comes when', () => {
    fc.assert(
      fc.property(draws, (steps) => {
        const history = only(simulate(steps));
        expect(explanationOf(history)).toBeDefined();
        expect(isProven(history)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  const changes: Record<string, (line: HistoryLine) => HistoryLine | undefined> = {
    'a state that was seen': (line) =>
      line.kind === 'asked' && line.what === 'show' && line.answer
        ? { ...line, answer: { ...line.answer, state: line.answer.state === 'completed' ? 'failed' : 'completed' } }
        : undefined,
    'a count of handovers': (line) =>
      line.kind === 'asked' && line.what === 'show' && line.answer
        ? { ...line, answer: { ...line.answer, handovers: line.answer.handovers + 1 } }
        : undefined,
    'a task that was seen': (line) =>
      line.kind === 'asked' && line.what === 'show' && line.answer ? { ...line, answer: null } : undefined,
    'the answer to a retry': (line) =>
      line.kind === 'asked' && line.what === 'retry'
        ? { ...line, answer: line.answer === 'queued' ? 'completed' : 'queued' }
        : undefined,
    'the answer to a removal': (line) =>
      line.kind === 'asked' && line.what === 'remove'
        ? { ...line, answer: line.answer === 'removed' ? 'running' : 'removed' }
        : undefined,
    'the attempt of a run': (line) => (line.kind === 'began' ? { ...line, attempt: line.attempt + 1 } : undefined),
    'the node of a handover': (line) => (line.kind === 'handover' ? { ...line, from: 'mac-9' } : undefined),
  };

  it.each(Object.entries(changes))(
    'is refused once there is a change to %s, or has another explanation that holds',
    (_, change) => {
      let refused = 0;
      fc.assert(
        fc.property(draws, fc.nat(100), (steps, pick) => {
          const lines = simulate(steps);
          const fit = lines.flatMap((line, index) => (change(line) ? index : []));
          const index = fit[pick % Math.max(1, fit.length)];
          if (index === undefined) return;
          const changed = lines.map((line, at) => (at === index ? (change(line) ?? line) : line));
          const history = only(changed);
          if (explanationOf(history) === undefined) refused++;
          else expect(isProven(history)).toBe(true);
        }),
        { numRuns: 300 },
      );
      expect(refused).toBeGreaterThan(10);
    },
  );

  it('is refused by a search that looks ahead only if one that does not refuses it, too', () => {
    let compared = 0;
    const few = fc.array(draw, { maxLength: 6 });
    fc.assert(
      fc.property(few, fc.constantFrom(...Object.values(changes)), (steps, change) => {
        const history = only(simulate(steps).map((line) => change(line) ?? line));
        if (explanationOf(history) !== undefined) return;
        const theLongWay = isExplainedTheLongWay(history);
        if (theLongWay !== undefined) compared++;
        expect(theLongWay).not.toBe(true);
      }),
      { numRuns: 200 },
    );
    expect(compared).toBeGreaterThan(20);
  });
});
