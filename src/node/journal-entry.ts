import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Claim } from '../domain/claim.ts';
import { ERROR_KINDS } from '../domain/error-kind.ts';
import { MAX_COST, MAX_TOKENS, type Outcome } from '../domain/task.ts';

const tokens = z.number().int().nonnegative().max(MAX_TOKENS);
const outcome: z.ZodType<Outcome> = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    result: z.object({
      text: z.string(),
      usage: z
        .object({
          input: tokens,
          output: tokens,
          total: tokens,
          cost: z.number().nonnegative().max(MAX_COST).optional(),
        })
        .nullable()
        .catch(null),
      model: z.string().nullable(),
      runId: z.string().nullable(),
      durationMs: z.number(),
    }),
  }),
  z.object({
    ok: z.literal(false),
    error: z.object({ kind: z.enum(ERROR_KINDS), message: z.string(), retryable: z.boolean() }),
  }),
]);

const entrySchema = z.object({
  taskId: z.string(),
  pool: z.string(),
  attempt: z.number(),
  handovers: z.number(),
  holds: z.number(),
  endedAt: z.string(),
  outcome,
});
export type JournalEntry = z.infer<typeof entrySchema>;

/** Identifies one run among all others, also across restarts of the daemon. */
export type RunName = Pick<Claim, 'taskId' | 'attempt' | 'handovers' | 'holds'>;

/** Undefined if the text is not an entry, or has another version. */
export function readEntry(text: string): JournalEntry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Ids that every file system accepts as file names, and distinguishes from others. The ids of our own tasks match. */
const PLAIN_ID = /^[a-z0-9][a-z0-9_:-]{0,127}$/;

/** The name of an entry's file. Other programs that queue with BullMQ give tasks ids that are no file names. */
export function nameOf({ taskId, attempt, handovers, holds }: RunName): string {
  const task = PLAIN_ID.test(taskId)
    ? taskId.replaceAll(':', '-')
    : createHash('sha256').update(taskId).digest('hex').slice(0, 32);
  return `${task}-${attempt}-${handovers}-${holds}.json`;
}
