import type { Command } from 'commander';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';

/** `task deliver`: sends an answer again. */
export function addDeliverCommand(task: Command): void {
  task
    .command('deliver')
    .description('send the answer of an ended task to its recipient again')
    .argument('<id>', 'task id')
    .addHelpText(
      'after',
      `${example('clawmesh task deliver 01kbv2m6s3v5w8q0r4t7y9z1x2')}\n\nIf the answer was already delivered, the recipient gets it twice.`,
    )
    .action(deliver);
}

async function deliver(id: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    await mesh.task.deliver(id);
    const { delivery } = await mesh.task.existing(id);
    if (out.json) out.document<'task deliver'>({ id, delivery });
    else out.note(`the answer of ${id} is on its way; see clawmesh task show ${id}`);
  });
}
