import { Command } from 'commander';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { addOutputOptions } from '../output-options.ts';

export function scheduleShowCommand(): Command {
  return addOutputOptions(new Command('show'))
    .description('show everything about one schedule: its next runs, its latest task, and the template of its tasks')
    .argument('<name>', 'name of the schedule')
    .addHelpText('after', example('clawmesh schedule show nightly'))
    .action(show);
}

async function show(name: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const schedule = await (await mesh.schedules()).details(name);
    if (out.json) return out.document<'schedule show'>(schedule);
    const { printSchedule } = await import('../schedule-view.ts');
    printSchedule(out, schedule);
  });
}
