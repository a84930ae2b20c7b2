import * as z from 'zod';
import { MAX_COST, MAX_TOKENS, type Usage } from '../domain/task.ts';

/** A token count from OpenClaw: some providers estimate it, and then it need not be an integer. */
export const tokenCount = z.number().nonnegative().max(MAX_TOKENS).transform(Math.round);

/**
 * Usage that OpenClaw reports for a run; the same shape in exec envelopes and gateway replies. An invalid one counts as
 * none.
 */
export const reportedUsage = z
  .object({
    input: tokenCount,
    output: tokenCount,
    total: tokenCount.optional().catch(undefined),
    cost: z
      .object({ total: z.number().nonnegative().max(MAX_COST) })
      .optional()
      .catch(undefined),
  })
  .nullish()
  .catch(null);

export function usageOf(reported: z.infer<typeof reportedUsage>): Usage | null {
  if (!reported) return null;
  const { input, output, total = input + output, cost } = reported;
  return { input, output, total, ...(cost && { cost: cost.total }) };
}
