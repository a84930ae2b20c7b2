import * as z from 'zod';
import type { Cancelled } from '../../client/tasks.ts';
import { ClawmeshError, hasCode, messageOf } from '../../domain/errors.ts';
import { isEnded } from '../../domain/task-state.ts';
import { taskId } from './inputs.ts';
import { checkAllowed, type McpPolicy } from './policy.ts';
import { defineTool, type Tool } from './tool.ts';

const OUTCOMES: Readonly<Record<Cancelled, string>> = {
  cancelled: 'cancelled',
  stopping: 'will end as soon as its node stops it, or is declared dead',
};

/** @param host the host name of this machine, for the reason in the history of the task */
export function cancelTool(policy: McpPolicy, host: string): Tool {
  return defineTool({
    name: 'mesh_cancel',
    title: 'Cancel a task of the mesh',
    description:
      'Cancels a task, also a running one: its node stops the agent, and work that it has not finished is lost. Use it ' +
      'only if the user wants that. A task that has ended cannot be cancelled.',
    effect: 'cancels',
    input: z.strictObject({
      id: taskId,
      reason: z.string().max(200).optional().describe('Why, for the history of the task.'),
    }),
    run: async ({ id, reason }, { connection, log }) => {
      const outcome = await connection.run(async (mesh) => {
        checkAllowed(policy, await mesh.task.existing(id));
        const why = `cancelled through MCP on ${host}${reason === undefined ? '' : `: ${messageOf(reason)}`}`;
        try {
          return await mesh.task.cancel(id, why);
        } catch (error) {
          if (!hasCode(error, 'failed')) throw error;
          const task = await mesh.task.existing(id);
          if (!isEnded(task.state)) throw error;
          throw new ClawmeshError('failed', `nothing was cancelled: task ${id} is already ${task.state}`, {
            remedy: 'see mesh_task',
            cause: error,
          });
        }
      });
      log.info({ task: id, outcome }, 'cancelled a task');
      return {
        text: `task ${id} ${outcome === 'cancelled' ? 'is cancelled' : OUTCOMES[outcome]}`,
        document: { tasks: [{ id, outcome: OUTCOMES[outcome] }], errors: [] },
      };
    },
  });
}
