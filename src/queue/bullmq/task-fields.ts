import * as z from 'zod';
import { ERROR_KINDS } from '../../domain/error-kind.ts';

/**
 * The fields of a task in its BullMQ hash. BullMQ's own fields are used where they exist (`timestamp`, `processedOn`,
 * `pb`, `finishedOn`, `atm`, `priority`, `delay`); ours begin with `cm:`.
 */

/** The job's `data`: the task's specification. `v` is incremented when the format changes. */
export const storedSpec = z.object({
  v: z.literal(1),
  message: z.string(),
  agent: z.string().optional(),
  session: z.string().optional(),
  model: z.string().optional(),
  thinking: z.string().optional(),
  node: z.string().optional(),
  nodeFallback: z.boolean().optional(),
  require: z.record(z.string(), z.string()).optional(),
  key: z.string().optional(),
  tags: z.record(z.string(), z.string()).default({}),
  probe: z.boolean().optional(),
  timeoutMs: z.number().optional(),
  idleTimeoutMs: z.number().optional(),
  backoffMs: z.number().optional(),
  after: z.array(z.object({ id: z.string(), pool: z.string() })).optional(),
  deliver: z
    .union([
      z.object({ webhook: z.string() }),
      z.object({
        channel: z.string(),
        to: z.string(),
        account: z.string().optional(),
        thread: z.string().optional(),
      }),
    ])
    .optional(),
  origin: z
    .object({
      session: z.string().optional(),
      agent: z.string().optional(),
      channel: z.string().optional(),
      sender: z.string().optional(),
    })
    .optional(),
  attempts: z.number(),
  /** See `TaskSigner`. */
  sig: z.string().optional(),
});
export type StoredSpec = z.infer<typeof storedSpec>;

/** Field `returnvalue` of a completed task. `Claims` also keeps the token of the claim in it. */
export const storedResult = z.object({
  text: z.string(),
  // An invalid usage must not hide the answer.
  usage: z
    .object({ input: z.number(), output: z.number(), total: z.number(), cost: z.number().optional() })
    .nullable()
    .catch(null),
  model: z.string().nullable(),
  runId: z.string().nullable(),
  durationMs: z.number(),
  media: z.array(z.string()).optional().catch(undefined),
});

/** Field `cm:error`. `Claims` also keeps the token of the claim in it. */
export const storedError = z.object({
  kind: z.enum(ERROR_KINDS),
  message: z.string(),
  retryable: z.boolean(),
});

/** One line of field `cm:history`, which has at most 100 lines: runs that did not end the task, and why. */
export const storedHistoryLine = z.object({
  at: z.number(),
  event: z.enum(['enqueued', 'claimed', 'handover', 'retry', 'failed', 'cancelled', 'cut']),
  node: z.string().optional(),
  attempt: z.number(),
  reason: z.string().optional(),
  silentMs: z.number().optional(),
  /** For `cut`: the number of removed entries. */
  count: z.number().optional(),
});

/** Field `progress`. */
export const storedProgress = z.object({
  at: z.string(),
  note: z.string(),
  tokens: z.number().nullable(),
  submittedTo: z.string().optional(),
});

/** Parses a JSON field; undefined if it is missing or malformed. */
export function readField<T>(schema: z.ZodType<T>, text: string | null | undefined): T | undefined {
  if (!text) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
