import * as z from 'zod';
import { cutText } from '../../src/domain/cut-text.ts';
import type { TaskInput } from '../../src/queue/new-task.ts';
import { routeOfTool } from './chat-route.ts';
import { type MeshLink, MeshTrouble } from './mesh-link.ts';
import type { Tool, ToolContext } from './plugin-api.ts';
import type { PluginConfig } from './plugin-config.ts';
import { cancel, enqueue, type Reply, show, status } from './requests.ts';

const name = z.string().max(128);
const taskId = z.strictObject({ id: z.string().max(100).describe('Task id, as mesh_enqueue returned it') });

const enqueueParams = z.strictObject({
  message: z.string().describe('Prompt for the agent that runs the task. It does not see this conversation.'),
  agent: name.optional().describe('OpenClaw agent that runs it; by default the default agent of the Mac'),
  model: name.optional().describe('Model, as provider/model'),
  session: name.optional().describe('Session key: tasks of one session run one after the other, with its history'),
  pool: name.optional().describe('Pool of the mesh, e.g. xcode'),
  node: name.optional().describe('Run only on this Mac (node id)'),
  attempts: z.number().int().min(1).max(100).optional().describe('Maximum number of attempts'),
  timeout: z.string().max(20).optional().describe('Deadline of one attempt, e.g. 30m'),
  delay: z.string().max(20).optional().describe('Wait at least this long first, e.g. 2h'),
  key: z.string().max(256).optional().describe('Idempotency key: repeating it returns the original task'),
  reply: z.boolean().optional().describe('Whether the answer is sent into this chat; true by default'),
});

/** A tool before it is bound to a turn. */
interface ToolSpec<P extends z.ZodType> {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly params: P;
  readonly run: (link: MeshLink, params: z.infer<P>, context: ToolContext, config: PluginConfig) => Promise<Reply>;
}

const specs = [
  tool({
    name: 'mesh_enqueue',
    label: 'Queue a task in the mesh',
    description:
      'Queue a task that an agent on any Mac of the mesh runs, even if this Mac goes to sleep. Returns at once with ' +
      'the task id; the answer is sent into this chat when the task has ended. For long, parallel or repeated work.',
    params: enqueueParams,
    run: (link, { reply = true, ...fields }, context, { pool }) => {
      const input = { ...(pool !== undefined && { pool }), ...fields } as TaskInput;
      return link.use((mesh) => enqueue(mesh, input, routeOfTool(context), { reply }));
    },
  }),
  tool({
    name: 'mesh_status',
    label: 'State of the mesh',
    description: 'Which Macs of the mesh are up, how many tasks wait and run in each pool, and what is wrong.',
    params: z.strictObject({}),
    run: (link) => link.use(status),
  }),
  tool({
    name: 'mesh_task',
    label: 'State of a task',
    description:
      'How far a task of the mesh is, or its answer. Do not call it in a loop: the answer arrives in the chat.',
    params: taskId,
    run: (link, { id }) => link.use((mesh) => show(mesh, id)),
  }),
  tool({
    name: 'mesh_cancel',
    label: 'Cancel a task',
    description: 'Cancel a task of the mesh, a running one included.',
    params: taskId,
    run: (link, { id }, { agentId }) => link.use((mesh) => cancel(mesh, id, `agent ${agentId ?? 'unknown'}`)),
  }),
];

/** Names of all tools; the manifest lists the same. */
export const TOOL_NAMES: readonly string[] = specs.map((spec) => spec.name);

/** The tool of this name for one turn. */
export function createTool(toolName: string, link: MeshLink, context: ToolContext, config: PluginConfig): Tool | null {
  return specs.find((spec) => spec.name === toolName)?.bind(link, context, config) ?? null;
}

function tool<P extends z.ZodType>({ name, label, description, params, run }: ToolSpec<P>) {
  const { $schema: _, ...parameters } = z.toJSONSchema(params) as Record<string, unknown>;
  const bind = (link: MeshLink, context: ToolContext, config: PluginConfig): Tool => ({
    name,
    label,
    description,
    parameters,
    execute: async (_id, input) => {
      const parsed = params.safeParse(input);
      try {
        const reply = parsed.success
          ? await run(link, parsed.data, context, config)
          : { text: `${name}: ${problemOf(parsed.error)}`, details: { problem: problemOf(parsed.error) } };
        return { content: [{ type: 'text', text: reply.text }], details: reply.details };
      } catch (error) {
        if (!(error instanceof MeshTrouble)) throw error;
        return { content: [{ type: 'text', text: error.message }], details: { problem: error.message } };
      } finally {
        if (context.oneShotCliRun) await link.close();
      }
    },
  });
  return { name, bind };
}

function problemOf({ issues }: z.ZodError): string {
  const all = issues.map(({ path, message }) => `${path.join('.') || 'parameters'}: ${message}`);
  return cutText(all.join('; '), 500);
}
