import type { Task } from '../../src/domain/task.ts';
import { isEnded } from '../../src/domain/task-state.ts';
import { checkHistory } from '../model/check-history.ts';
import type { HistoryLine, TaskSeen } from '../model/history.ts';
import type { Ledger } from './ledger.ts';
import { CLOCK_STEP_MS, sharedClock } from './shared-clock.ts';

/** The default of `queue.maxHandovers`. */
const MAX_HANDOVERS = 5;

/** What a caller sees of the task, as a history records it. */
export function seenOf(task: Task): TaskSeen {
  return {
    state: task.state,
    made: task.attempts.made,
    handovers: task.handovers,
    answer: task.result?.runId ?? null,
    record: task.history.map(({ event, node, attempt }) => ({ event, node, attempt })),
  };
}

/** What the runs of a ledger did. `incarnationOf` tells which incarnation of its node began a run, if anybody knows. */
export function runLines(
  ledger: Ledger,
  incarnationOf: (run: ReturnType<Ledger['lines']>[number]) => number | null = () => null,
): HistoryLine[] {
  return ledger.lines().map((line): HistoryLine => {
    const { event, taskId, run, at, node, attempt, handovers } = line;
    const about = { taskId, run, called: at, answered: at + CLOCK_STEP_MS };
    if (event === 'start')
      return { kind: 'began', ...about, node, attempt, handovers, incarnation: incarnationOf(line) };
    const how = event === 'end' ? 'answered' : event === 'fail' ? 'failed' : 'refused';
    return { kind: 'ended', ...about, how };
  });
}

/**
 * What is wrong with these tasks, seen from ledger and record, where no requests were recorded: people may have
 * asked for what is on record at any time.
 */
export function unexplainedOf(tasks: readonly Task[], ledger: Ledger): string[] {
  const now = sharedClock();
  const known = new Set(tasks.map(({ id }) => id));
  const lines: HistoryLine[] = [
    {
      kind: 'begin',
      version: 1,
      note: 'a test',
      at: ledger.lines()[0]?.at ?? 0,
      forgetsMs: 0,
      maxHandovers: MAX_HANDOVERS,
    },
  ];
  for (const task of tasks) {
    const asked = { kind: 'asked' as const, taskId: task.id, by: 'someone', called: 0, answered: now.latest };
    const again = task.history.filter(
      ({ event, node }, index) => index > 0 && node === null && /enqueued|retry/.test(event),
    );
    const attempts = task.attempts.max;
    lines.push({ ...asked, what: 'enqueue', attempts, answer: 'queued' });
    for (const _ of again) lines.push({ ...asked, what: 'retry', answer: 'queued' });
    if (task.history.some(({ event }) => event === 'cancelled'))
      lines.push({ ...asked, what: 'cancel', answered: null, gaveUp: null, answer: null });
    lines.push({ ...asked, what: 'show', called: now.earliest, answer: seenOf(task) });
  }
  lines.push(...runLines(ledger).filter((line) => 'taskId' in line && known.has(line.taskId)));
  const open = tasks.filter(({ state }) => !isEnded(state)).map(({ id, state }) => `${id}: still ${state}`);
  return [...open, ...checkHistory(lines).unexplained.map(({ text }) => text)];
}
