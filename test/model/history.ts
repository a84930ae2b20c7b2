import * as z from 'zod';
import { TASK_STATES } from '../../src/domain/task-state.ts';

/**
 * A history of real processes, one JSON object a line: who asked what and was answered what, what each run did, and what
 * stood in Redis. It has one clock: that of the machine on which all of it ran, monotonic, ms. Each entry happened at some
 * moment from `called` to `answered`; one whose `answered` is null has no answer, and may have happened at any time since
 * `called`, or never.
 */
const moment = { called: z.number(), answered: z.number() };
const asked = {
  kind: z.literal('asked'),
  taskId: z.string(),
  by: z.string(),
  called: z.number(),
  answered: z.number().nullable(),
};
const run = {
  taskId: z.string(),
  /** Names the run among all of its task. */
  run: z.string(),
  ...moment,
};

/** A line of a task's own history, as `task show` prints it. */
const recordEntry = z.object({
  event: z.enum(['enqueued', 'claimed', 'handover', 'retry', 'completed', 'failed', 'cancelled', 'cut']),
  node: z.string().nullable(),
  attempt: z.number().nullable(),
});

/** What a task looked like to a caller; null: there was none. */
const taskSeen = z.object({
  state: z.enum(TASK_STATES),
  /** Attempts used up. */
  made: z.number(),
  handovers: z.number(),
  /** The run whose answer is the task's result; null if there is none. */
  answer: z.string().nullable(),
  record: z.array(recordEntry),
});

const lineSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('begin'),
    version: z.literal(1),
    note: z.string(),
    /** When it began; times are told from then on. */
    at: z.number(),
    /** A Redis that is killed may forget what it has acknowledged within this time, ms. */
    forgetsMs: z.number(),
    /** After how many losses a task is given up. */
    maxHandovers: z.number(),
  }),
  z.discriminatedUnion('what', [
    z.object({ ...asked, what: z.literal('enqueue'), attempts: z.number(), answer: z.literal('queued').nullable() }),
    z.object({
      ...asked,
      what: z.literal('cancel'),
      /** When its caller had an error instead of an answer; null if it is not known that it ended at all. */
      gaveUp: z.number().nullable(),
      answer: z.enum(['cancelled', 'stopping', 'ended', 'gone']).nullable(),
    }),
    z.object({
      ...asked,
      what: z.literal('retry'),
      answer: z.enum(['queued', 'open', 'completed', 'gone']).nullable(),
    }),
    z.object({ ...asked, what: z.literal('remove'), answer: z.enum(['removed', 'running', 'gone']).nullable() }),
    z.object({ ...asked, what: z.literal('show'), answered: z.number(), answer: taskSeen.nullable() }),
  ]),
  z.object({
    kind: z.literal('began'),
    ...run,
    node: z.string(),
    /** Null if unknown. */
    incarnation: z.number().nullable(),
    attempt: z.number(),
    handovers: z.number(),
  }),
  /** The run came to its own end: it had an answer, failed in a way that may pass, or was refused for good. */
  z.object({ kind: z.literal('ended'), ...run, how: z.enum(['answered', 'failed', 'refused']) }),
  /** Found running once all tasks had ended and every daemon could know. */
  z.object({ kind: z.literal('left'), ...run }),
  /** The node registered as this incarnation, which fences those before. */
  z.object({ kind: z.literal('up'), node: z.string(), incarnation: z.number(), ...moment }),
  /** Redis was killed at `called`, and was back at `answered`. */
  z.object({ kind: z.literal('redis-killed'), ...moment }),
  /** What else was done to the mesh; explains nothing, but is told with a task that can't be explained. */
  z.object({ kind: z.literal('fault'), what: z.string(), ...moment }),
  /** The handover log was read; all its entries are lines of kind `handover`. */
  z.object({ kind: z.literal('log-read'), ...moment }),
  z.object({ kind: z.literal('handover'), taskId: z.string(), from: z.string(), reason: z.string() }),
]);

export type HistoryLine = z.infer<typeof lineSchema>;
export type LineOf<Kind extends HistoryLine['kind']> = Extract<HistoryLine, { kind: Kind }>;
export type TaskSeen = z.infer<typeof taskSeen>;
export type RecordEntry = z.infer<typeof recordEntry>;

/** @throws Error that names the first line that is none. */
export function parseHistory(text: string): HistoryLine[] {
  const lines = text.split('\n').flatMap((line, index) => (line === '' ? [] : [{ line, number: index + 1 }]));
  return lines.map(({ line, number }) => {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new Error(`line ${number} is no JSON: ${line.slice(0, 100)}`);
    }
    const parsed = lineSchema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new Error(`line ${number} is no line of a history: ${issue?.path.join('.')}: ${issue?.message}`);
  });
}

export function printHistory(lines: readonly HistoryLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
