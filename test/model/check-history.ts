import { counted } from '../../src/domain/counted.ts';
import type { HistoryLine, LineOf } from './history.ts';
import { linearize, type Operation } from './linearizable.ts';
import {
  loggedOf,
  placeOf,
  recordOf,
  type Step,
  type TaskMachineOptions,
  type TaskState,
  taskMachine,
} from './task-machine.ts';

/** A task that no order of atomic steps explains. */
export interface Unexplained {
  readonly taskId: string;
  /** The first step that can't be: all that was answered before it is explained. */
  readonly step: HistoryLine;
  /** One line, and what is known of the task below it. */
  readonly text: string;
}

export interface Verdict {
  readonly tasks: number;
  readonly unexplained: readonly Unexplained[];
  /** Tasks that are explained by what a killed Redis has forgotten, and not without. */
  readonly forgotten: readonly string[];
}

/** What a history says of one task. */
export interface TaskHistory {
  readonly taskId: string;
  readonly begin: LineOf<'begin'>;
  readonly lines: readonly TaskLine[];
  /** Its entries in the handover log, oldest first; undefined if the log was not read. */
  readonly handovers: readonly LineOf<'handover'>[] | undefined;
  /** What is on record about it in the end; undefined if it is gone by then, or was not read. */
  readonly onRecord: ReadonlySet<string> | undefined;
  /** Told with a task that can't be explained. */
  readonly faults: readonly LineOf<'fault'>[];
}

type TaskLine = LineOf<'asked' | 'began' | 'ended' | 'left' | 'up' | 'redis-killed' | 'log-read'>;

/** How long after a request without an answer it may still take effect, as far as what Redis forgets is concerned, ms. */
const UNDER_WAY_MS = 10_000;
/** States that are looked at to tell where a task can have stood. */
const TOLD_STATES = 20_000;

export function checkHistory(lines: readonly HistoryLine[]): Verdict {
  const forgotten: string[] = [];
  const unexplained: Unexplained[] = [];
  let tasks = 0;
  for (const task of splitHistory(lines)) {
    tasks++;
    const how = explanationOf(task);
    if (how === 'forgotten') forgotten.push(task.taskId);
    if (how === undefined) unexplained.push(blame(task));
  }
  return { tasks, unexplained, forgotten };
}

/** No task knows of another, so that a history is explained if each task's part is. */
export function* splitHistory(lines: readonly HistoryLine[]): Generator<TaskHistory> {
  const begin = lines.find((line) => line.kind === 'begin');
  if (!begin) throw new Error('a history begins with a line of kind begin');
  const of = <Kind extends HistoryLine['kind']>(...kinds: Kind[]) =>
    lines.filter((line): line is LineOf<Kind> => (kinds as string[]).includes(line.kind));
  const handovers = Map.groupBy(of('handover'), ({ taskId }) => taskId);
  const faults = of('fault');
  const shared = of('up', 'redis-killed', 'log-read');
  const isLogRead = shared.some(({ kind }) => kind === 'log-read');
  const own = Map.groupBy(of('asked', 'began', 'ended', 'left'), ({ taskId }) => taskId);
  const ids = new Set([...own.keys(), ...handovers.keys()]);
  for (const taskId of ids) {
    const lines = own.get(taskId) ?? [];
    const shows = lines.filter((line) => line.kind === 'asked' && line.what === 'show');
    const record = shows.sort((a, b) => a.called - b.called).at(-1)?.answer?.record;
    const isWhole = record?.every(({ event }) => event !== 'cut');
    yield {
      taskId,
      begin,
      lines: [...lines, ...shared],
      handovers: isLogRead ? (handovers.get(taskId) ?? []) : undefined,
      onRecord: record && isWhole ? new Set(recordOf(record)) : undefined,
      faults,
    };
  }
}

/** How the task's history is explained: without Redis having forgotten anything, or only so; undefined if it is not. */
export function explanationOf(task: TaskHistory): 'plain' | 'forgotten' | undefined {
  for (const how of ['plain', 'forgotten'] as const) {
    const { operations, machine } = questionOf(task, how === 'forgotten');
    if (linearize(operations, taskMachine(machine)).order) return how;
  }
  return undefined;
}

/** The search that a history asks for. With `forgets` what Redis may have forgotten when it was killed is reckoned with. */
export function questionOf(
  { begin, lines, handovers, onRecord }: TaskHistory,
  forgets: boolean,
): { operations: Operation<Step>[]; machine: TaskMachineOptions } {
  const of = <Kind extends TaskLine['kind']>(...kinds: Kind[]) =>
    lines.filter((line): line is Extract<TaskLine, { kind: Kind }> => (kinds as string[]).includes(line.kind));
  const asked = of('asked');
  const own = of('asked', 'began', 'ended', 'left');
  const runs = of('began');
  const forgottenSpans = of('redis-killed')
    .sort((a, b) => a.called - b.called)
    .map((kill, index, all) => ({
      from: Math.max(kill.called - begin.forgetsMs, all[index - 1]?.answered ?? Number.NEGATIVE_INFINITY),
      kill,
    }));
  const meets = (line: { called: number; answered: number | null }, span: (typeof forgottenSpans)[number]) =>
    line.called <= span.kill.answered && (line.answered ?? line.called + UNDER_WAY_MS) >= span.from;
  const operations: Operation<Step>[] = [];
  const add = (step: Step, line: { called: number; answered: number | null }, optional = line.answered === null) =>
    operations.push({ step, called: line.called, answered: line.answered ?? Number.POSITIVE_INFINITY, optional });

  for (const line of asked) {
    if (line.what === 'cancel') {
      const { called, gaveUp } = line;
      const answered = line.answered ?? gaveUp;
      add({ kind: 'cancel-opens', line }, { called, answered });
      if (answered !== null) add({ kind: 'cancel-closes', line }, { called, answered });
      if (line.answered === null) add({ kind: 'cancel-late', line }, { called, answered: null });
      continue;
    }
    add({ kind: 'asked', line }, line);
    // It is sent again if the connection broke before Redis answered, which may have forgotten it by then.
    if (line.what === 'enqueue' && forgets) {
      for (const span of forgottenSpans) if (meets(line, span)) add({ kind: 'asked', line }, line, true);
    }
  }
  for (const line of of('began', 'ended', 'left')) {
    if (line.kind === 'began') add({ kind: 'began', line }, line);
    else if (line.kind === 'ended') add({ kind: 'ended', line }, line);
    else add({ kind: 'left', line }, line);
  }
  const logged = handovers?.map(loggedOf);
  for (const line of of('log-read')) add({ kind: 'log', logged: logged ?? [] }, line);
  for (const line of registrations(spanOf(own), of('up'), runs)) {
    // One that Redis may have forgotten says nothing for sure.
    if (!forgottenSpans.some((span) => meets(line, span))) add({ kind: 'up', line }, line);
  }
  if (forgets) {
    // What happens while nothing is seen explains nothing by being forgotten.
    const spans = forgottenSpans.filter((span) => own.some((line) => meets(line, span)));
    for (const [index, { from, kill }] of spans.entries()) {
      add({ kind: 'forgets', kill: index }, { called: from, answered: kill.called }, true);
      add({ kind: 'redis-killed', kill: index }, kill);
    }
  }
  operations.sort((a, b) => a.called - b.called || a.answered - b.answered);
  const shows = operations.flatMap(({ step, called }, by) =>
    step.kind === 'asked' && step.line.what === 'show' ? [{ by, called, seen: step.line.answer }] : [],
  );
  const seen = shows.flatMap((show) => show.seen ?? []);
  const claimers = seen.flatMap(({ record }) =>
    record.flatMap(({ event, node }) => (event === 'claimed' ? (node ?? []) : [])),
  );
  const counts = [...runs, ...seen].map((one) => one.handovers);
  const machine: TaskMachineOptions = {
    runs,
    attempts: asked.find((line) => line.what === 'enqueue')?.attempts ?? 1,
    maxHandovers: begin.maxHandovers,
    shows: shows.map(({ by, called, seen }) => ({ by, called, entries: seen && recordOf(seen.record) })),
    kills: operations.flatMap(({ step, called }) => (step.kind === 'redis-killed' ? called : [])),
    logged,
    onRecord,
    // The last is followed first.
    nodes: [...new Set(['', ...claimers, ...(handovers ?? []).map(({ from }) => from)])],
    handoversAtMost: Math.max(0, handovers?.length ?? 0, ...counts) + asked.length,
  };
  return { operations, machine };
}

/** From when to when something happened to the task, but that it was looked at. */
function spanOf(lines: readonly TaskLine[]): { from: number; to: number } {
  const times = lines
    .filter((line) => line.kind !== 'log-read' && (line.kind !== 'asked' || line.what !== 'show'))
    .flatMap(({ called, answered }) => [called, answered ?? called]);
  return { from: Math.min(...times), to: Math.max(...times) };
}

/** Those of the nodes that ran the task, while it was there, and of each the last one before. */
function registrations(
  span: { from: number; to: number },
  ups: readonly LineOf<'up'>[],
  runs: readonly LineOf<'began'>[],
): LineOf<'up'>[] {
  const nodes = new Set(runs.flatMap(({ node, incarnation }) => (incarnation === null ? [] : node)));
  const own = ups.filter(({ node, called }) => nodes.has(node) && called <= span.to);
  const before = new Map(own.filter(({ answered }) => answered < span.from).map((up) => [up.node, up]));
  return [...before.values(), ...own.filter(({ answered }) => answered >= span.from)];
}

/** Finds the longest part from the beginning that is explained: the first step whose answer can't be. */
export function blame(history: TaskHistory): Unexplained {
  const answers = history.lines
    .filter((line) => line.answered !== null)
    .sort((a, b) => (a.answered ?? 0) - (b.answered ?? 0) || a.called - b.called);
  const index = answers.findIndex((_, rank) => explanationOf(until(history, answers, rank + 1)) === undefined);
  const step = answers[index];
  if (!step) throw new Error(`task ${history.taskId} is explained`);
  const before = until(history, answers, index, step);
  const { operations, machine } = questionOf(before, explanationOf(before) === 'forgotten');
  const places = new Set<string>();
  const states: TaskState[] = [];
  try {
    const { ends } = linearize(operations, taskMachine(machine), { allEnds: true, limit: TOLD_STATES });
    for (const state of ends) places.add(placeOf(state, machine.runs));
    states.push(...ends);
  } catch {
    // Too many to tell them all.
  }
  const by = places.size === 0 ? '' : `; by then it could only be ${[...places].sort().join(' or ')}`;
  const at = `${seconds(step.called, history)} s`;
  const first = `task ${history.taskId}: nothing explains that ${inWords(step, history)}, at ${at}${by}`;
  return { taskId: history.taskId, step, text: [first, ...told(history, step, states)].join('\n') };
}

/**
 * The history as it stood after `count` answers: what had been asked by then may have happened, the rest is not known.
 * `but`: it stood so when this was to come.
 */
function until(history: TaskHistory, answers: readonly TaskLine[], count: number, but?: TaskLine): TaskHistory {
  const now = (but ?? answers[count - 1])?.answered ?? Number.NEGATIVE_INFINITY;
  const known = new Set<TaskLine>(answers.slice(0, count));
  const lines = history.lines.flatMap((line): TaskLine[] => {
    if (known.has(line)) return [line];
    if (line.kind !== 'asked' || line.what === 'show' || line === but || line.called > now) return [];
    return [{ ...line, answer: null, answered: null, ...(line.what === 'cancel' && { gaveUp: null }) }];
  });
  return { ...history, lines };
}

function told(history: TaskHistory, step: TaskLine, states: readonly TaskState[]): string[] {
  const own = history.lines.filter(
    (line) => line.kind !== 'up' && line.kind !== 'redis-killed' && (line.kind !== 'log-read' || line === step),
  );
  const span = spanOf(own);
  const near = ({ called, answered }: { called: number; answered: number | null }) =>
    called <= span.to && (answered ?? called) >= span.from;
  const nodes = new Set(own.flatMap((line) => (line.kind === 'began' ? line.node : [])));
  const around: (TaskLine | LineOf<'fault'>)[] = [
    ...history.lines.filter(
      (line) => (line.kind === 'redis-killed' || (line.kind === 'up' && nodes.has(line.node))) && near(line),
    ),
    ...history.faults.filter(near),
  ];
  const lines = [...own, ...around]
    .sort((a, b) => a.called - b.called)
    .map((line) => {
      const to = line.answered === null ? 'no answer' : `${seconds(line.answered, history)} s`;
      return `  ${line === step ? '→' : ' '} ${seconds(line.called, history).padStart(9)} s … ${to.padEnd(11)} ${inWords(line, history)}`;
    });
  const could = new Set(
    states.map(
      ({ stored }) =>
        `${stored.place}, ${counted(stored.made, 'attempt')}, ${counted(stored.handovers, 'handover')}; ${stored.record.join(', ')}; log: ${stored.logged.join(', ') || 'nothing'}`,
    ),
  );
  const shown =
    step.kind === 'log-read' || (step.kind === 'asked' && step.what === 'show') ? [...could].slice(0, 5) : [];
  return [...lines, ...shown.map((text) => `    it could have been: ${text}`)];
}

function inWords(line: TaskLine | LineOf<'fault'>, history: TaskHistory): string {
  switch (line.kind) {
    case 'asked': {
      if (line.what === 'show') return `${line.by} saw it ${seenInWords(line.answer)}`;
      const what = line.what === 'enqueue' ? 'queued' : line.what === 'retry' ? 'retried' : `${line.what}ed`;
      const verb = line.what === 'remove' ? 'removed' : line.what === 'cancel' ? 'cancelled' : what;
      return `${line.by} ${verb} it, and was told ${line.answer ?? 'nothing'}`;
    }
    case 'began': {
      const { node, incarnation, attempt, handovers, run } = line;
      const which = incarnation === null ? '' : ` (incarnation ${incarnation})`;
      return `run ${run} of ${node}${which} began, attempt ${attempt} after ${counted(handovers, 'handover')}`;
    }
    case 'ended':
      return `run ${line.run} ${line.how === 'answered' ? 'had an answer' : line.how === 'failed' ? 'failed' : 'was refused'}`;
    case 'left':
      return `run ${line.run} still continues, after all has ended`;
    case 'up':
      return `${line.node} registered as incarnation ${line.incarnation}`;
    case 'redis-killed':
      return 'Redis was killed, and came back';
    case 'fault':
      return line.what;
    case 'log-read': {
      const entries = (history.handovers ?? []).map(({ from, reason }) => `${from} ${reason}`);
      return `the handover log has of it: ${entries.join(', ') || 'nothing'}`;
    }
  }
}

function seenInWords(seen: Extract<LineOf<'asked'>, { what: 'show' }>['answer']): string {
  if (!seen) return 'gone';
  const { state, made, handovers, answer, record } = seen;
  const by = answer === null ? '' : ` with the answer of run ${answer}`;
  return `${state}${by}, ${counted(made, 'attempt')}, ${counted(handovers, 'handover')}; ${recordOf(record).join(', ')}`;
}

function seconds(ms: number, { begin }: TaskHistory): string {
  return ((ms - begin.at) / 1_000).toFixed(3);
}
