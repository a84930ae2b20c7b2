import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { durationOption } from '../options.ts';
import { addTaskOptions, type TaskOptions, taskFields } from '../task-options.ts';

interface UpdateOptions extends TaskOptions {
  cron?: string;
  tz?: string;
  every?: number;
}

/** `schedule update | run`: change a schedule, or queue its task now. */
export function scheduleUpdateCommands(): Command[] {
  const update = new Command('update')
    .description('change a schedule: what is not named stays, the time of its next run too unless its times change')
    .argument('<name>', 'name of the schedule')
    .argument('[message]', 'prompt for the agent')
    .option('--cron <line>', 'when to run, as for schedule add; replaces an interval')
    .option('--tz <zone>', 'time zone of the cron line')
    .option('--every <duration>', 'interval between runs; replaces a cron line', durationOption);
  addTaskOptions(update)
    .addHelpText(
      'after',
      example(
        'clawmesh schedule update nightly --cron "0 6 * * *"',
        'clawmesh schedule update nightly --model provider/model -- "summarize the open issues in German"',
      ),
    )
    .action(updateSchedule);
  const run = new Command('run')
    .description('queue a task of a schedule now, with the tag schedule=<name>; its next run stays due')
    .argument('<name>', 'name of the schedule')
    .addHelpText('after', example('clawmesh schedule run nightly'))
    .action(runSchedule);
  return [update, run];
}

async function updateSchedule(
  name: string,
  message: string | undefined,
  options: UpdateOptions,
  command: Command,
): Promise<void> {
  const out = outputOf(command);
  const { cron, tz, every, ...taskOptions } = options;
  if (message === undefined && Object.keys(options).length === 0) {
    throw new ClawmeshError('usage', 'nothing to change', { remedy: 'give a message or an option; see --help' });
  }
  const task = { ...taskFields(taskOptions), ...(message !== undefined && { message }) };
  await withMesh(command, async (mesh) => {
    const schedules = await mesh.schedules();
    const schedule = await schedules.update(name, { cron, timezone: tz, everyMs: every, task });
    if (out.json) out.document<'schedule update'>(schedule);
    else
      out.note(schedule.paused ? `${name} is updated; it is paused` : `${name} is next due at ${schedule.nextRunAt}`);
  });
}

async function runSchedule(name: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const task = await (await mesh.schedules()).run(name);
    if (out.json) out.document<'schedule run'>({ tasks: [task] });
    else out.line(task.id);
  });
}
