import * as z from 'zod';
import type { Mesh } from '../../client/mesh.ts';
import { CHANNEL_DESTINATION_HINT, parseChannelDestination } from '../../domain/delivery.ts';
import { ClawmeshError, hasCode, messageOf } from '../../domain/errors.ts';
import { newTaskId } from '../../domain/ids.ts';
import { MAX_MESSAGE_BYTES, MAX_PRIORITY, type Task } from '../../domain/task.ts';
import { isEnded } from '../../domain/task-state.ts';
import type { Enqueued } from '../../queue/bullmq/task-producer.ts';
import type { TaskInput } from '../../queue/new-task.ts';
import { nodeId, pool, taskId, waitMs } from './inputs.ts';
import { checkAllowed, type McpPolicy } from './policy.ts';
import { reasonText, type TaskDocument, taskDocument, taskText, waitingReasons } from './task-document.ts';
import { defineTool, type Tool, type ToolAnswer, type ToolCall } from './tool.ts';
import { waitOptions } from './wait-progress.ts';

const MAX_WAIT_MS = 60_000;
const MAX_TAGS = 20;

/** A name that `parseNewTask` checks further. */
const name = z.string().min(1).max(128);
const duration = z.string().max(20);

/** The arguments; a policy leaves only the names that it allows. */
function inputOf({ pools, agents }: McpPolicy) {
  return z.strictObject({
    message: z
      .string()
      .min(1)
      .max(MAX_MESSAGE_BYTES, 'is longer than 1 MiB; put the text into a file that the agent can read')
      .describe('Prompt for the agent. It runs on another machine, so include everything that it has to know.'),
    pool: (pools.length > 0 ? z.enum(pools) : pool)
      .optional()
      .describe(`Pool to queue in (default: ${pools[0] ?? 'default'}). mesh_status lists the pools.`),
    agent: (agents.length > 0 ? z.enum(agents) : name)
      .optional()
      .describe(`OpenClaw agent to run (default: ${agents[0] ?? "OpenClaw's default agent"}).`),
    model: name.optional().describe("Model, as provider/model (default: the agent's model)."),
    session: name
      .optional()
      .describe('OpenClaw session to start or continue, one task at a time (default: a new session).'),
    node: nodeId.optional().describe('Run only on this node. Leave it out unless the task needs that machine.'),
    priority: z
      .int()
      .min(0)
      .max(MAX_PRIORITY)
      .optional()
      .describe('1 runs first, then 2 and so on; tasks without a priority (0) run last.'),
    delay: duration.optional().describe('Wait at least this long before the task runs, e.g. 10m.'),
    timeout: duration.optional().describe('Deadline of one attempt, e.g. 30m.'),
    attempts: z.int().min(1).max(100).optional().describe('Maximum number of attempts.'),
    after: z
      .array(taskId)
      .max(100)
      .optional()
      .describe(
        'Run after these tasks have completed. {{result:<id>}} in the message becomes the answer of that task.',
      ),
    deliver_to: z
      .string()
      .max(600)
      .optional()
      .describe('Chat that gets the answer when the task has ended, as <channel>:<to>, e.g. slack:C0123456789.'),
    tags: z
      .record(z.string().max(63), z.string().max(256))
      .refine((tags) => Object.keys(tags).length <= MAX_TAGS, `expected at most ${MAX_TAGS} tags`)
      .optional()
      .describe('Names and values to find the task by with mesh_list.'),
    key: z
      .string()
      .max(256)
      .optional()
      .describe('Idempotency key: reusing a key returns the original task instead of queuing another one.'),
    wait_ms: waitMs(MAX_WAIT_MS)
      .default(0)
      .describe(
        'Wait up to this many milliseconds for the answer. Stay below the time limit that your client has for a tool call, or ' +
          'you do not learn the id. For a longer task, call mesh_wait afterwards.',
      ),
  });
}

type EnqueueArguments = z.output<ReturnType<typeof inputOf>>;

export function enqueueTool(policy: McpPolicy): Tool {
  return defineTool({
    name: 'mesh_enqueue',
    title: 'Queue a task in the mesh',
    description:
      'Queues one task: a prompt that an OpenClaw agent runs on any free machine of the mesh. Use it for work that may ' +
      'take long, has to run on another machine, or must survive the loss of one. Returns the id of the task at once, ' +
      'or its answer if it ends within wait_ms.',
    effect: 'enqueues',
    input: inputOf(policy),
    run: async ({ wait_ms: timeoutMs, ...args }, call) => {
      const input = taskInput(args, policy);
      const { pool: wanted = 'default', agent = null, session = null } = input;
      checkAllowed(policy, { pool: wanted, agent, session });
      const enqueued = await enqueue(input, call);
      call.log.info({ task: enqueued.id, pool: enqueued.pool, duplicate: enqueued.duplicate }, 'queued a task');
      return answer(enqueued, timeoutMs, call);
    },
  });
}

/** The task to validate. A server that may use only some pools or agents uses the first one by default. */
function taskInput(args: Omit<EnqueueArguments, 'wait_ms'>, { pools, agents }: McpPolicy): TaskInput {
  const { deliver_to: deliverTo, pool = pools[0], agent = agents[0], ...rest } = args;
  const deliver = deliverTo === undefined ? undefined : parseChannelDestination(deliverTo);
  if (deliverTo !== undefined && !deliver) {
    throw new ClawmeshError('usage', `deliver_to: expected ${CHANNEL_DESTINATION_HINT}`, {
      remedy: 'nothing was queued',
    });
  }
  return {
    ...rest,
    ...(pool !== undefined && { pool }),
    ...(agent !== undefined && { agent }),
    ...(deliver && { deliver }),
  };
}

/**
 * Queues the task once, even if its first request is repeated after an outage: a task without a key gets one.
 *
 * @throws ClawmeshError `usage`, `not-found`, or `redis` with the key for another try.
 */
async function enqueue(input: TaskInput, { connection }: ToolCall): Promise<Enqueued> {
  const key = input.key ?? `mcp-${newTaskId()}`;
  try {
    const [enqueued] = await connection.runIdempotent((mesh) => mesh.enqueue({ ...input, key }));
    if (!enqueued) throw new Error('no task was queued');
    // The first request may have succeeded although its reply was lost.
    return input.key === undefined ? { ...enqueued, duplicate: false } : enqueued;
  } catch (error) {
    if (!hasCode(error, 'redis')) throw error;
    const again = `to try again without queuing it twice, call mesh_enqueue with key: ${key}`;
    throw new ClawmeshError('redis', error.message, { remedy: [error.remedy, again].filter(Boolean).join('; ') });
  }
}

/** The queued task, with its answer if it ends in time. Nothing that goes wrong from here on makes the call fail. */
async function answer(enqueued: Enqueued, timeoutMs: number, call: ToolCall): Promise<ToolAnswer> {
  const { id, pool, state, duplicate } = enqueued;
  const queued = duplicate
    ? `nothing was queued: the task with this key is ${id}, ${state === 'gone' ? 'which is no longer kept' : state}`
    : `queued task ${id} in pool ${pool}`;
  if (state === 'gone') return { text: queued, document: { tasks: [enqueued] } };
  const task = await look(id, timeoutMs, call);
  if (typeof task === 'string') return { text: `${queued}; ${task}`, document: { tasks: [enqueued] } };
  const { waitingFor, cut } = task;
  if (isEnded(task.state)) {
    const document = { ...enqueued, state: task.state, result: task.result, error: task.error, waitingFor, cut };
    return { text: `${queued}\n${taskText(task)}`, document: { tasks: [document] } };
  }
  const now = task.state === 'active' ? `running on ${task.node}` : task.state;
  const lines = [`${queued}; it is ${now}. For its answer, call mesh_wait`];
  if (waitingFor) lines.push(`it waits: ${reasonText(waitingFor)}`);
  return { text: lines.join('\n'), document: { tasks: [{ ...enqueued, state: task.state, waitingFor }] } };
}

/** The task once it has ended, or as it is after the wait; the reason as text if that cannot be read. */
async function look(id: string, timeoutMs: number, call: ToolCall): Promise<TaskDocument | string> {
  try {
    return await call.connection.run(async (mesh) => {
      const task = await ended(mesh, id, timeoutMs, call);
      return taskDocument(task, (await waitingReasons(mesh, [task])).get(id) ?? null);
    });
  } catch (error) {
    if (!(error instanceof ClawmeshError)) throw error;
    return `its state is unknown: ${messageOf(error)}`;
  }
}

async function ended(mesh: Mesh, id: string, timeoutMs: number, call: ToolCall): Promise<Task> {
  if (timeoutMs === 0) return mesh.task.existing(id);
  try {
    const [task] = await mesh.wait([id], { timeoutMs, ...waitOptions(call, 1) });
    if (task) return task;
  } catch (error) {
    if (!hasCode(error, 'timeout')) throw error;
  }
  return mesh.task.existing(id);
}
