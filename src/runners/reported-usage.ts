import * as z from 'zod';
import { MAX_COST, MAX_TOKENS, type Usage } from '../domain/task.ts';

/** A number of tokens as OpenClaw says it: some providers guess, and then it need not be whole. */
export const tokenCount = z.number().nonnegative().max(MAX_TOKENS).transform(Math.round);

/** What OpenClaw says a run has used; the same shape in exec envelopes and gateway replies. A wrong one counts as none. */
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
