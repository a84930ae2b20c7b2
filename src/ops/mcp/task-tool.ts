import * as z from 'zod';
import { taskId } from './inputs.ts';
import { taskDocument, taskText, waitingReasons } from './task-document.ts';
import { defineTool } from './tool.ts';

export const taskTool = defineTool({
  name: 'mesh_task',
  title: 'Show a task of the mesh',
  description:
    'Returns everything about one task: state, node, attempts, the answer of its agent or its error, history, and why ' +
    'it waits. Use it for a task that you know the id of. To wait until a task has ended, use mesh_wait.',
  effect: 'reads',
  input: z.strictObject({
    id: taskId,
    result_from: z
      .int()
      .min(0)
      .max(2_000_000)
      .optional()
      .describe(
        'Return the answer from this character on. A long answer is returned in parts; `cut` tells where the next part begins.',
      ),
  }),
  run: async ({ id, result_from: from = 0 }, { connection }) => {
    const [task, reasons] = await connection.runIdempotent(async (mesh) => {
      const found = await mesh.task.existing(id);
      return [found, await waitingReasons(mesh, [found])] as const;
    });
    const document = taskDocument(task, reasons.get(id) ?? null, { from });
    return { text: taskText(document), document };
  },
});
