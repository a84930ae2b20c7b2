import * as z from 'zod';
import type { Claim } from '../domain/claim.ts';
import { ERROR_KINDS, MAX_COST, MAX_TOKENS, type Outcome } from '../domain/task.ts';

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

/** Undefined if the text is no entry, or one of another version. */
export function readEntry(text: string): JournalEntry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The file name of an entry. */
export function nameOf({ taskId, attempt, handovers, holds }: RunName): string {
  return `${taskId.replaceAll(':', '-')}-${attempt}-${handovers}-${holds}.json`;
}
