import { Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import { hasCode } from '../../domain/errors.ts';
import type { Enqueued } from '../../queue/bullmq/task-producer.ts';
import type { TaskInput } from '../../queue/new-task.ts';
import type { TaskChange } from '../../queue/task-input.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { noteLastTask } from '../last-task.ts';
import { tagOption } from '../options.ts';
import { TASK_ID_HINT, taskId } from '../task-ids.ts';
import { addTaskOptions, type PlacedTaskOptions, taskFields } from '../task-options.ts';

interface RerunOptions extends PlacedTaskOptions {
  message?: string;
  edit?: boolean;
}

export function taskRerunCommand(): Command {
  const rerun = new Command('rerun')
    .description(
      'queue a new task with the input of another one, except its key, its delay and the tasks that it came after',
    )
    .argument('<id>', TASK_ID_HINT)
    .option('--edit', 'edit the input as YAML in $VISUAL or $EDITOR before the task is queued')
    .option('--message <text>', 'another prompt for the agent');
  return addTaskOptions(rerun)
    .option('--node <id>', 'run only on this node')
    .option('--require <label=value>', 'run only on a node with this label; repeatable', tagOption)
    .option('--delay <duration>', 'wait at least this long before the task runs')
    .option('--key <key>', 'idempotency key of the new task')
    .addHelpText(
      'after',
      example(
        'clawmesh task rerun 01kbv2m6s3v5w8q0r4t7y9z1x2 --model provider/model',
        'clawmesh task rerun 01kbv2m6s3v5w8q0r4t7y9z1x2 --edit',
      ),
    )
    .action(rerunTask);
}

async function rerunTask(text: string, options: RerunOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  const { edit, message, ...fields } = options;
  const change: TaskChange = { ...taskFields(fields), ...(message !== undefined && { message }) };
  await withMesh(command, async (mesh) => {
    const id = await taskId(mesh, text);
    const task = edit ? await editedTask(mesh, id, change) : await mesh.task.rerun(id, change);
    await noteLastTask(mesh.config.mesh, task.id);
    if (out.json) out.document<'task rerun'>({ tasks: [task] });
    else out.line(task.id);
  });
}

/** Lets the user edit the input, in which the options have already made their changes. */
async function editedTask(mesh: Mesh, id: string, change: TaskChange): Promise<Enqueued> {
  const [{ editYaml }, { changedInput }] = await Promise.all([
    import('../edit-yaml.ts'),
    import('../../queue/task-input.ts'),
  ]);
  const edited = await editYaml(changedInput(await mesh.task.inputOf(id), change), [
    `The input of a new task like ${id}. Save the file and leave the editor to queue it; empty the file to queue nothing.`,
    'The fields are those of a line of clawmesh enqueue --from.',
  ]);
  try {
    const [task] = await mesh.task.enqueue(edited.value as TaskInput);
    edited.remove();
    return task as Enqueued;
  } catch (error) {
    throw hasCode(error, 'usage') ? edited.refused(error.message) : error;
  }
}
