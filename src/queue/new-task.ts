import * as z from 'zod';
import { ACCOUNT_NAME, CHANNEL_NAME, MAX_ROUTE_LENGTH, MAX_WEBHOOK_LENGTH } from '../domain/delivery.ts';
import { TASK_ID } from '../domain/ids.ts';
import {
  LABEL_HINT,
  LABEL_NAME,
  LABEL_VALUE,
  NODE_ID,
  NODE_ID_HINT,
  nearest,
  OPENCLAW_NAME,
  POOL_NAME,
  POOL_NAME_HINT,
} from '../domain/names.ts';
import { wantedResults } from '../domain/placeholders.ts';
import { targetOf } from '../domain/target.ts';
import { MAX_MESSAGE_BYTES, MAX_PRIORITY, type NewTask } from '../domain/task.ts';
import { NOT_WELL_FORMED } from '../domain/text.ts';
import { DURATION_HINT, parseDuration } from '../domain/units.ts';

const name = (what: string) =>
  z.string().regex(OPENCLAW_NAME, `expected ${what}: letters, digits and ._:/@+-, no spaces, at most 128`);

/** Free text from users. Names have narrower rules. */
const text = (error?: string) => z.string(error).refine((value) => value.isWellFormed(), NOT_WELL_FORMED);

const duration = (atLeastMs: number) =>
  z
    .string(`expected ${DURATION_HINT}`)
    .refine((text) => parseDuration(text) !== undefined, { error: `expected ${DURATION_HINT}`, abort: true })
    .refine((text) => (parseDuration(text) ?? 0) >= atLeastMs, 'expected at least 1s');

const wholeNumber = (min: number, max: number) => {
  const hint = `expected a whole number from ${min} to ${max}`;
  return z.number(hint).int(hint).min(min, hint).max(max, hint);
};

/** A part of a route through a chat. Chats name people and threads in many ways, so only its size and form count. */
const route = (what: string) =>
  text(`expected ${what}`)
    .refine((value) => value.trim() !== '', 'must not be empty')
    .refine((value) => value.length <= MAX_ROUTE_LENGTH, `is longer than ${MAX_ROUTE_LENGTH} characters`)
    .refine((value) => !/\p{Cc}/u.test(value), 'contains a control character');

const channel = z.string('expected a channel').regex(CHANNEL_NAME, 'expected a channel of OpenClaw, e.g. slack');

const deliver = z.union(
  [
    z.strictObject({
      webhook: z
        .url({ protocol: /^https?$/ })
        .max(MAX_WEBHOOK_LENGTH)
        .refine((url) => url.isWellFormed(), NOT_WELL_FORMED),
    }),
    z.strictObject({
      channel,
      to: route('a recipient'),
      account: z.string().regex(ACCOUNT_NAME, 'expected an account of the channel, without spaces').optional(),
      thread: route('a thread').optional(),
    }),
  ],
  {
    error:
      'expected {channel, to, account?, thread?}, each at most 256 characters without control characters, or ' +
      '{webhook} with an http or https URL',
  },
);

const origin = z.strictObject({
  session: route('a session key').optional(),
  agent: route('an agent id').optional(),
  channel: channel.optional(),
  sender: route('a sender').optional(),
});

/** A task as users write it, on the command line or as a line of JSON. */
export const taskInput = z.strictObject({
  message: text('expected the prompt for the agent')
    .refine((message) => message.trim() !== '', 'must not be empty')
    .refine(
      (message) => Buffer.byteLength(message) <= MAX_MESSAGE_BYTES,
      'is longer than 1 MiB; put the text into a file that the agent can read',
    ),
  agent: name('an agent id').optional(),
  session: name('a session key').optional(),
  model: name('a model').optional(),
  thinking: name('a thinking level').optional(),
  node: z.string().regex(NODE_ID, `expected ${NODE_ID_HINT}`).optional(),
  nodeFallback: z.boolean('expected true or false').optional(),
  require: z
    .record(z.string().regex(LABEL_NAME, 'expected a label'), z.string().regex(LABEL_VALUE, `expected ${LABEL_HINT}`))
    .optional(),
  pool: z.string().regex(POOL_NAME, `expected ${POOL_NAME_HINT}`).optional(),
  priority: wholeNumber(0, MAX_PRIORITY).optional(),
  delay: duration(0).optional(),
  attempts: wholeNumber(1, 100).optional(),
  timeout: duration(1_000).optional(),
  idleTimeout: duration(1_000).optional(),
  backoff: duration(0).optional(),
  after: z.array(z.string().regex(TASK_ID, 'expected a task id')).max(100, 'expected at most 100 tasks').optional(),
  key: text()
    .regex(/^[^\s\p{Cc}]{1,256}$/u, 'expected an idempotency key: up to 256 characters without spaces')
    .optional(),
  tags: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'expected a tag name'), text().max(256))
    .optional(),
  deliver: deliver.optional(),
  origin: origin.optional(),
});

export type TaskInput = z.infer<typeof taskInput>;

/** Defaults for tasks. */
export interface TaskDefaults {
  readonly attempts: number;
  /** Common fields of tasks that are queued together; checked by {@link checkDefaults}. */
  readonly fields?: TaskFields | undefined;
}

export type TaskFields = Readonly<Partial<Omit<TaskInput, 'message'>>>;

/** Problems with these fields that do not depend on the task: `field: what is wrong`. */
export function checkDefaults({ nodeFallback: _needsNode, ...fields }: TaskFields): string[] {
  const parsed = parseNewTask({ message: 'any', ...fields }, { attempts: 1 });
  return 'problems' in parsed ? parsed.problems : [];
}

/**
 * The user's input, with defaults for missing fields. Tags are merged. A task that names a node or labels ignores the
 * default place.
 */
export function withDefaults(input: unknown, fields: TaskFields | undefined): unknown {
  if (!fields || !isObject(input)) return input;
  const { tags, node, nodeFallback, require, ...others } = fields;
  const ownPlace = input.node !== undefined || input.require !== undefined;
  const place = ownPlace ? {} : { node, require };
  const merged = { ...others, ...place, ...(input.require === undefined && { nodeFallback }), ...input };
  if (!tags) return merged;
  if (input.tags === undefined) return { ...merged, tags };
  return isObject(input.tags) ? { ...merged, tags: { ...tags, ...input.tags } } : merged;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The checked task, or every problem found: `field: what is wrong`. */
export function parseNewTask(input: unknown, defaults: TaskDefaults): NewTask | { problems: string[] } {
  const parsed = taskInput.safeParse(withDefaults(input, defaults.fields));
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(describe) };
  const unknown = wantedResults(parsed.data.message).filter((id) => !TASK_ID.test(id));
  if (unknown.length > 0)
    return { problems: unknown.map((id) => `message: {{result:${id}}} does not contain a task id`) };
  const task = newTask(parsed.data, defaults);
  if (task.nodeFallback && task.node === undefined) return { problems: ['nodeFallback: requires node'] };
  if (task.node !== undefined && task.require) return { problems: ['node: cannot be combined with require'] };
  if (task.delayMs > 0 && (task.after || targetOf(task) !== undefined)) {
    return { problems: [`delay: cannot be combined with ${task.after ? 'after' : 'node or require'}`] };
  }
  return task;
}

/** The task to queue for input that has already been checked. */
export function toNewTask(input: TaskInput, defaults: TaskDefaults): NewTask {
  return newTask(withDefaults(input, defaults.fields) as TaskInput, defaults);
}

function newTask(input: TaskInput, defaults: TaskDefaults): NewTask {
  const { delay, timeout, idleTimeout, backoff, attempts, after, pool, priority, tags, ...rest } = input;
  const ms = (text: string | undefined) => (text === undefined ? undefined : parseDuration(text));
  // A quoted task has to complete first. Its pool is looked up at enqueue.
  const before = [...new Set([...(after ?? []), ...wantedResults(rest.message)])].map((id) => ({ id, pool: '' }));
  return {
    ...rest,
    pool: pool ?? 'default',
    priority: priority ?? 0,
    tags: tags ?? {},
    delayMs: ms(delay) ?? 0,
    attempts: attempts ?? defaults.attempts,
    timeoutMs: ms(timeout),
    idleTimeoutMs: ms(idleTimeout),
    backoffMs: ms(backoff),
    after: before.length > 0 ? before : undefined,
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
