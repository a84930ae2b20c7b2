import { z } from 'zod';
import { TASK_ID } from '../domain/ids.ts';
import { nearest, OPENCLAW_NAME, POOL_NAME, POOL_NAME_HINT } from '../domain/names.ts';
import { wantedResults } from '../domain/placeholders.ts';
import { MAX_MESSAGE_BYTES, MAX_PRIORITY, type NewTask } from '../domain/task.ts';
import { DURATION_HINT, parseDuration } from '../domain/units.ts';

const name = (what: string) =>
  z.string().regex(OPENCLAW_NAME, `expected ${what}: letters, digits and ._:/@+-, no spaces, at most 128`);

const duration = (atLeastMs: number) =>
  z.string(`expected ${DURATION_HINT}`).transform((text, ctx): number => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= atLeastMs) return ms;
    const message = ms === undefined ? `expected ${DURATION_HINT}` : 'expected at least 1s';
    ctx.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  });

const wholeNumber = (min: number, max: number) => {
  const hint = `expected a whole number from ${min} to ${max}`;
  return z.number(hint).int(hint).min(min, hint).max(max, hint);
};

/** A task as people write it, on the command line or as a line of JSON. */
const taskInput = z.strictObject({
  message: z
    .string('expected the text for the agent')
    .refine((text) => text.trim() !== '', 'must not be empty')
    .refine(
      (text) => Buffer.byteLength(text) <= MAX_MESSAGE_BYTES,
      'is longer than 1 MiB; put the material into a file that the agent can read',
    ),
  agent: name('an agent id').optional(),
  session: name('a session key').optional(),
  model: name('a model').optional(),
  thinking: name('a thinking level').optional(),
  pool: z.string().regex(POOL_NAME, `expected ${POOL_NAME_HINT}`).default('default'),
  priority: wholeNumber(0, MAX_PRIORITY).default(0),
  delay: duration(0).optional(),
  attempts: wholeNumber(1, 100).optional(),
  timeout: duration(1_000).optional(),
  idleTimeout: duration(1_000).optional(),
  backoff: duration(0).optional(),
  after: z.array(z.string().regex(TASK_ID, 'expected a task id')).max(100, 'expected at most 100 tasks').optional(),
  key: z
    .string()
    .regex(/^[^\s\p{Cc}]{1,256}$/u, 'expected an idempotency key: up to 256 characters without spaces')
    .optional(),
  tags: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'expected a tag name'), z.string().max(256))
    .default({}),
});

export type TaskInput = z.input<typeof taskInput>;

/** The checked task, or every problem found: `field: what is wrong`. */
export function parseNewTask(input: unknown, defaults: { attempts: number }): NewTask | { problems: string[] } {
  const parsed = taskInput.safeParse(input);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(describe) };
  const { delay, timeout, idleTimeout, backoff, attempts, after, ...rest } = parsed.data;
  // What a message quotes has to be there first.
  const before = [...new Set([...(after ?? []), ...wantedResults(rest.message)])];
  const unknown = before.filter((id) => !TASK_ID.test(id));
  if (unknown.length > 0) return { problems: unknown.map((id) => `message: {{result:${id}}} names no task id`) };
  if (before.length > 0 && delay) return { problems: ['delay: does not go together with after'] };
  return {
    ...rest,
    delayMs: delay ?? 0,
    attempts: attempts ?? defaults.attempts,
    timeoutMs: timeout,
    idleTimeoutMs: idleTimeout,
    backoffMs: backoff,
    // Where they are is found when the task is queued.
    after: before.length > 0 ? before.map((id) => ({ id, pool: '' })) : undefined,
  };
}

function describe(issue: z.core.$ZodIssue): string[] {
  if (issue.code !== 'unrecognized_keys') {
    const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return [`${issue.path.join('.') || 'task'}: ${message.replace(/^Invalid input: /, '')}`];
  }
  return issue.keys.map((key) => {
    const likely = nearest(key, Object.keys(taskInput.shape));
    return `${key}: unknown field${likely ? `; did you mean "${likely}"?` : ''}`;
  });
}
