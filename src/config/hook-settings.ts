import * as z from 'zod';
import { CHANNEL_DESTINATION_HINT, parseChannelDestination } from '../domain/delivery.ts';
import {
  MAX_HOOK_PLACEHOLDERS,
  MAX_HOOK_TEMPLATE,
  PLACEHOLDER_HINT,
  templateProblem,
} from '../domain/hook-template.ts';
import { NODE_ID, NODE_ID_HINT, OPENCLAW_NAME } from '../domain/names.ts';
import { MAX_PRIORITY } from '../domain/task.ts';
import { DURATION_HINT, parseDuration } from '../domain/units.ts';
import { integer, longSecret } from './fields.ts';
import { poolName } from './node-settings.ts';

const name = (what: string) => z.string().regex(OPENCLAW_NAME, `expected ${what}, without spaces`).optional();

/** The task of a hook, in the words of the task format. */
const hookTask = z.strictObject({
  message: z
    .string('expected the prompt for the agent')
    .superRefine((text, ctx) => {
      const message = templateProblem(text);
      if (message !== undefined) ctx.addIssue({ code: 'custom', message });
    })
    .describe(
      `The prompt for the agent, at most ${MAX_HOOK_TEMPLATE / 1_024} KiB. ${PLACEHOLDER_HINT} inserts a text, number ` +
        `or boolean of the request; at most ${MAX_HOOK_PLACEHOLDERS} of them.`,
    ),
  pool: poolName.optional().describe('Pool of the task, `default` if missing.'),
  node: z.string().regex(NODE_ID, `expected ${NODE_ID_HINT}`).optional().describe('The only node that may run it.'),
  agent: name('an agent id').describe('Agent that runs it.'),
  session: name('a session key').describe('Session that it continues.'),
  model: name('a model').describe('Model that it uses.'),
  thinking: name('a thinking level').describe('Thinking level.'),
  priority: integer(0, MAX_PRIORITY).optional().describe('Priority: 1 is the highest, 0 none.'),
  attempts: integer(1, 100).optional().describe('Maximum number of attempts; `queue.attempts` if missing.'),
  timeout: z
    .string()
    .refine((text) => (parseDuration(text) ?? 0) >= 1_000, `expected ${DURATION_HINT}, at least 1s`)
    .optional()
    .describe('Time limit of a run; `queue.taskTimeout` if missing.'),
  deliver: z
    .string()
    .refine((text) => parseChannelDestination(text) !== undefined, `expected ${CHANNEL_DESTINATION_HINT}`)
    .optional()
    .describe('Chat that gets the answer, as `enqueue --deliver` names it: `slack:C0123456789`.'),
});

/** The hooks, by name. */
export const hooks = z
  .record(
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'expected a name of lower-case letters, digits, - and _, at most 63'),
    z
      .strictObject({
        secret: longSecret('openssl rand -base64 32').describe('Key with which the sender signs its requests.'),
        task: hookTask.describe('The task that a request queues.'),
      })
      .describe('A hook, by its name.'),
  )
  .prefault({});

/** One hook. */
export type Hook = z.output<typeof hooks>[string];
