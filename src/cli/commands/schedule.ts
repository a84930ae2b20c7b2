import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { POOL_NAME } from '../../domain/names.ts';
import type { Schedule } from '../../domain/schedule.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { durationOption } from '../options.ts';
import { ago, type Output, oneLine } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';
import { whenText } from '../schedule-times.ts';
import { addTaskOptions, inFlags, type TaskOptions, taskInput } from '../task-options.ts';
import { scheduleImportCommand } from './schedule-import.ts';
import { scheduleShowCommand } from './schedule-show.ts';
import { scheduleUpdateCommands } from './schedule-update.ts';

export function scheduleCommand(): Command {
  const schedule = new Command('schedule')
    .description('manage schedules, which queue tasks repeatedly')
    .addHelpText('after', example('clawmesh schedule list', 'clawmesh schedule pause nightly'));
  const add = schedule
    .command('add')
    .description('add a schedule; runs missed while the mesh was down are caught up once')
    .argument('<name>', 'name of the schedule: lower-case letters, digits, - and _')
    .argument('<message>', 'prompt for the agent')
    .option(
      '--cron <line>',
      'when to run: minute hour day month weekday, as in crontab(5); L is the last day, fri#2 the second Friday',
    )
    .option('--tz <zone>', 'time zone of --cron (default: UTC)')
    .option('--every <duration>', 'interval between runs; the first is due at once', durationOption);
  addTaskOptions(add)
    .addHelpText(
      'after',
      example(
        'clawmesh schedule add nightly --cron "0 7 * * *" --tz Europe/Berlin -- "summarize the open issues"',
        'clawmesh schedule add watch --every 30m "look at the build"',
      ),
    )
    .action(addSchedule);
  addOutputOptions(schedule.command('list'))
    .description('list schedules and their next runs')
    .addHelpText('after', example('clawmesh schedule list'))
    .action(list);
  schedule.addCommand(scheduleShowCommand());
  for (const command of scheduleUpdateCommands()) schedule.addCommand(command);
  const steer = (name: string, what: string, run: (name: string, command: Command) => Promise<void>) =>
    schedule
      .command(name)
      .description(what)
      .argument('<name>', 'name of the schedule')
      .addHelpText('after', example(`clawmesh schedule ${name} nightly`))
      .action((schedule: string, _options: object, command: Command) => run(schedule, command));
  steer('remove', 'remove a schedule and its tasks that have not started; started ones continue', remove);
  steer('pause', 'pause a schedule: no more of its tasks start, started ones continue', (name, command) =>
    setPaused(name, true, command),
  );
  steer('resume', 'resume a paused schedule; runs that were due while it was paused are skipped', (name, command) =>
    setPaused(name, false, command),
  );
  schedule.addCommand(scheduleImportCommand());
  return schedule;
}

interface AddOptions extends TaskOptions {
  cron?: string;
  tz?: string;
  every?: number;
}

async function addSchedule(name: string, message: string, options: AddOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  if (!POOL_NAME.test(name)) {
    throw new ClawmeshError('usage', `"${oneLine(name, 40)}" is not a valid name for a schedule`, {
      remedy: 'use lower-case letters, digits, - and _, at most 63 characters',
    });
  }
  const [{ parseTimes }, { parseNewTask }, { systemClock }] = await Promise.all([
    import('../../queue/schedule-times.ts'),
    import('../../queue/new-task.ts'),
    import('../../platform/clock.ts'),
  ]);
  const { cron, tz, every, ...taskOptions } = options;
  const timezone = tz ?? (cron === undefined ? undefined : 'UTC');
  const times = parseTimes({ cron, timezone, everyMs: every }, systemClock.now());
  await withMesh(command, async (mesh) => {
    const task = parseNewTask(taskInput(message, taskOptions), { attempts: mesh.config.queue.attempts });
    if ('problems' in task) {
      throw new ClawmeshError('usage', inFlags(task.problems).join('; '), { remedy: 'nothing was scheduled' });
    }
    if (task.after) {
      throw new ClawmeshError('usage', "message: a schedule can't quote the result of a task", {
        remedy: 'remove {{result:…}} from the message',
      });
    }
    const schedule = await (await mesh.schedules()).add(name, times, task);
    if (out.json) out.document<'schedule add'>(schedule);
    else out.note(`${name} is next due at ${schedule.nextRunAt}`);
    const { QueuedPlaces } = await import('../waiting-reasons.ts');
    const places = new QueuedPlaces();
    places.add([task]);
    await places.tell(mesh, out);
  });
}

async function list(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const schedules = await (await mesh.schedules()).list();
    if (out.json) out.document<'schedule list'>({ schedules }, 'schedules');
    else if (schedules.length === 0) out.note('no schedules; see clawmesh schedule add --help');
    else printSchedules(out, schedules);
  });
}

function printSchedules(out: Output, schedules: readonly Schedule[]): void {
  out.table(
    ['NAME', 'WHEN', 'NEXT', 'DUE', 'POOL', 'MESSAGE'],
    schedules.map((schedule) => [
      schedule.name,
      whenText(schedule),
      schedule.nextRunAt ?? '-',
      schedule.paused ? out.style('yellow', 'paused') : ago(schedule.nextRunAt),
      schedule.pool,
      oneLine(schedule.task.message),
    ]),
  );
}

async function remove(name: string, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    await (await mesh.schedules()).remove(name);
    if (out.json) out.document<'schedule remove'>({ name, removed: true });
    else out.note(`${name} is removed`);
  });
}

async function setPaused(name: string, paused: boolean, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const schedules = await mesh.schedules();
    await schedules.setPaused(name, paused);
    const schedule = await schedules.find(name);
    if (out.json) out.document<'schedule pause' | 'schedule resume'>(schedule);
    else out.note(paused ? `${name} is paused` : `${name} is next due at ${schedule.nextRunAt}`);
  });
}
