import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { isEnded } from '../../domain/task-state.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { TASK_ID_HINT, taskId } from '../task-ids.ts';

export function taskResultCommand(): Command {
  return new Command('result')
    .description("print only the answer of a task; exit 1 if the task failed, or hasn't ended")
    .argument('<id>', TASK_ID_HINT)
    .addHelpText('after', example('clawmesh task result 01kbv2m6s3v5w8q0r4t7y9z1x2 > answer.md'))
    .action(result);
}

async function result(text: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const id = await taskId(mesh, text);
    const { state, result, error } = await mesh.task.existing(id);
    if (result) return out.json ? out.document<'task result'>({ id, text: result.text }) : out.foreign(result.text);
    const why = error && isEnded(state) ? `${state}: ${error.kind}: ${error.message}` : `is ${state}`;
    throw new ClawmeshError('failed', `task ${id} ${why}`, {
      remedy: isEnded(state) ? `see clawmesh task show ${id}` : `to wait for it: clawmesh task wait ${id}`,
    });
  });
}
