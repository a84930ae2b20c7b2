import { z } from 'zod';
import type { Usage } from '../domain/task.ts';

/** What OpenClaw says a run has used; the same shape in exec envelopes and gateway replies. A wrong one counts as none. */
export const reportedUsage = z
  .object({
    input: z.number(),
    output: z.number(),
    total: z.number().optional(),
    cost: z.object({ total: z.number() }).optional().catch(undefined),
  })
  .nullish()
  .catch(null);

export function usageOf(reported: z.infer<typeof reportedUsage>): Usage | null {
  if (!reported) return null;
  const { input, output, total = input + output, cost } = reported;
  return { input, output, total, ...(cost && { cost: cost.total }) };
}
