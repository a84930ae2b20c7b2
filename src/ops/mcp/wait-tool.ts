import * as z from 'zod';
import { counted } from '../../domain/counted.ts';
import { hasCode } from '../../domain/errors.ts';
import { isEnded } from '../../domain/task-state.ts';
import { taskId, waitMs } from './inputs.ts';
import { MAX_ANSWER, taskDocument, taskText, waitingReasons } from './task-document.ts';
import { defineTool } from './tool.ts';
import { waitOptions } from './wait-progress.ts';

const MAX_TASKS = 20;
const MAX_WAIT_MS = 600_000;
/** Clients commonly end a call after a minute. */
const DEFAULT_WAIT_MS = 50_000;

export const waitTool = defineTool({
  name: 'mesh_wait',
  title: 'Wait for tasks of the mesh',
  description:
    'Waits until tasks have ended and returns them with their answers or errors. If timeout_ms passes first, it returns ' +
    'the tasks as they are, with the ids of the others in `pending`; the tasks continue, and you can call it again.',
  effect: 'reads',
  input: z.strictObject({
    ids: z.array(taskId).min(1).max(MAX_TASKS).describe('Ids of the tasks to wait for.'),
    timeout_ms: waitMs(MAX_WAIT_MS)
      .default(DEFAULT_WAIT_MS)
      .describe('Maximum wait in milliseconds. Stay below the time limit that your client has for a tool call.'),
  }),
  run: async ({ ids: given, timeout_ms: timeoutMs }, call) => {
    const ids = [...new Set(given)];
    const [tasks, reasons] = await call.connection.run(async (mesh) => {
      const read = await mesh.wait(ids, { timeoutMs, ...waitOptions(call, ids.length) }).catch((error: unknown) => {
        if (!hasCode(error, 'timeout')) throw error;
        return mesh.task.getAll(ids);
      });
      return [read, await waitingReasons(mesh, read)] as const;
    });
    const length = Math.floor(MAX_ANSWER / tasks.length);
    const documents = tasks.map((task) => taskDocument(task, reasons.get(task.id) ?? null, { length }));
    const pending = tasks.filter(({ state }) => !isEnded(state)).map(({ id }) => id);
    const summary = `${counted(pending.length, 'task')} not ended yet; call mesh_wait again with: ${pending.join(', ')}`;
    const text = [...documents.map(taskText), ...(pending.length > 0 ? [summary] : [])].join('\n\n');
    return { text, document: { tasks: documents, pending } };
  },
});
