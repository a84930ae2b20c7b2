import { Argument, Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { Task } from '../../domain/task.ts';
import { statesBefore, type TaskState } from '../../domain/task-state.ts';
import { LIVE_VALUES, type LiveValues } from '../completion/values.ts';
import { type GlobalOptions, outputOf, withMesh } from '../context.ts';
import { oneLine } from '../output.ts';

/** More values than fit on a screen; a prefix finds the others. */
const MOST = 200;
/** Number of tasks to search for the prefix. */
const MOST_READ = 1_000;
/** A shell must not hang because Redis does not respond: it waits this often, this long (ms). */
const WAITS = 20;
const WAIT_MS = 50;

type Candidate = readonly [value: string, description?: string];

/** Prints values that only the mesh knows, for completion scripts; not meant for users. */
export function completeCommand(): Command {
  return new Command('__complete')
    .description('print values for a completion script')
    .addArgument(new Argument('<kind>', 'kind of values').choices(LIVE_VALUES))
    .argument('[prefix]', 'only values that begin with this', '')
    .action(complete);
}

async function complete(kind: LiveValues, prefix: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const print = (found: readonly Candidate[]) => {
    for (const [value, description] of found.filter(([value]) => value.startsWith(prefix)).slice(0, MOST)) {
      out.line(description ? `${value}\t${description}` : value);
    }
  };
  if (kind === 'meshes') return print(await meshes());
  giveUpLater();
  // Without a prefix, the newest values are enough.
  const most = prefix === '' ? MOST : MOST_READ;
  try {
    await withMesh(command, async (mesh) => print(await candidates(mesh, kind, most)));
  } catch (error) {
    // A shell has no place for it.
    if (command.optsWithGlobals<GlobalOptions>().verbose) throw error;
  }
}

/**
 * Ends the process if Redis does not respond. One long timer would end it on a busy machine, too, although the reply has
 * arrived: timers come before replies. Between two short ones, replies are read.
 */
function giveUpLater(): void {
  let waits = 0;
  setInterval(() => {
    if (++waits >= WAITS) process.exit(0);
  }, WAIT_MS).unref();
}

async function meshes(): Promise<Candidate[]> {
  const { NamedMeshes } = await import('../named-meshes.ts');
  return new NamedMeshes(process.env).list().map(({ name, file }) => [name, file]);
}

async function candidates(mesh: Mesh, kind: Exclude<LiveValues, 'meshes'>, most: number): Promise<Candidate[]> {
  switch (kind) {
    case 'tasks':
      return tasks(await mesh.list({ limit: most }));
    case 'open-tasks':
      // Running tasks come first.
      return tasksIn(mesh, statesBefore('cancel').toReversed(), most);
    case 'failed-tasks':
      return tasksIn(mesh, statesBefore('retry', 'command'), most);
    case 'tags': {
      const tags = (await mesh.list({ limit: most })).flatMap((task) => Object.entries(task.tags));
      return distinct(tags.map((tag) => tag.join('=')));
    }
    case 'nodes':
      return (await mesh.node.seen()).map(({ id, state }) => [id, state]);
    case 'pools': {
      const served = (await mesh.node.seen()).flatMap((node) => Object.keys(node.pools));
      return distinct([...served, ...(await mesh.pool.names())]);
    }
    case 'labels': {
      const labels = (await mesh.node.seen()).flatMap((node) => Object.entries(node.labels));
      return distinct(labels.map(([name, value]) => `${name}=${value}`));
    }
    case 'circuits':
      return (await mesh.circuits()).map(({ name, openedAt }) => [name, openedAt === null ? 'closed' : 'open']);
    case 'schedules':
      return (await (await mesh.schedules()).list()).map(({ name, task }) => [name, oneLine(task.message, 40)]);
  }
}

function distinct(values: readonly string[]): Candidate[] {
  return [...new Set(values)].sort().map((value) => [value]);
}

async function tasksIn(mesh: Mesh, states: readonly TaskState[], limit: number): Promise<Candidate[]> {
  const lists = await Promise.all(states.map((state) => mesh.list({ state, limit })));
  return tasks(lists.flat());
}

function tasks(list: readonly Task[]): Candidate[] {
  return list.map(({ id, state, message }) => [id, `${state}  ${oneLine(message, 40)}`]);
}
