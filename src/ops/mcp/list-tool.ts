import * as z from 'zod';
import { cutText } from '../../domain/cut-text.ts';
import { onOneLine } from '../../domain/errors.ts';
import type { Task } from '../../domain/task.ts';
import { TASK_STATES } from '../../domain/task-state.ts';
import { bounded } from './bounds.ts';
import { nodeId, pool } from './inputs.ts';
import { defineTool } from './tool.ts';

const MAX_TASKS = 50;
const BOUNDS = { characters: 200, entries: MAX_TASKS };
const REST = 'result and history are left out; for a whole task, call mesh_task';

export const listTool = defineTool({
  name: 'mesh_list',
  title: 'List tasks of the mesh',
  description:
    'Lists tasks, newest first, without their answers. Use it to find a task, or to see what failed or is running. For ' +
    'the answer of a task, call mesh_task with its id.',
  effect: 'reads',
  input: z.strictObject({
    state: z.enum(TASK_STATES).optional().describe('Only tasks in this state.'),
    pool: pool.optional().describe('Only tasks of this pool.'),
    node: nodeId.optional().describe('Only tasks that run on this node or last ran there.'),
    tags: z
      .record(z.string().max(63), z.string().max(256))
      .refine((tags) => Object.keys(tags).length <= 10, 'expected at most 10 tags')
      .optional()
      .describe('Only tasks with all of these tags.'),
    limit: z.int().min(1).max(MAX_TASKS).default(10).describe('Maximum number of tasks.'),
  }),
  run: async ({ limit, ...filter }, { connection }) => {
    // One more shows whether there are more.
    const found = await connection.runIdempotent((mesh) => mesh.list({ ...filter, limit: limit + 1 }));
    const tasks = found.slice(0, limit).map((task): Task => ({ ...task, result: null, history: [] }));
    const more = found.length > limit ? null : 0;
    const { document, cut } = bounded({ tasks, more }, BOUNDS);
    const rest = more === 0 ? [] : [`there are more tasks; narrow the filter, or raise limit (at most ${MAX_TASKS})`];
    const lines = tasks.length === 0 ? ['no matching tasks'] : tasks.map(lineOf);
    return { text: [...lines, ...rest].join('\n'), document: { ...document, cut: [...cut, REST] } };
  },
});

function lineOf({ id, state, pool, node, enqueuedAt, error, message }: Task): string {
  const where = node === null ? `pool ${pool}` : `pool ${pool}, node ${node}`;
  const why = error ? ` · ${error.kind}: ${cutText(onOneLine(error.message), 120)}` : '';
  return `${id} ${state} · ${where} · enqueued ${enqueuedAt}${why} · ${cutText(onOneLine(message), 80)}`;
}
