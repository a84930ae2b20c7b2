import { Argument, Command } from 'commander';
import type { Mesh } from '../../client/mesh.ts';
import type { Task } from '../../domain/task.ts';
import { statesBefore, type TaskState } from '../../domain/task-state.ts';
import { LIVE_VALUES, type LiveValues } from '../completion/values.ts';
import { outputOf, withMesh } from '../context.ts';
import { oneLine } from '../output.ts';

/** More values than fit on a screen; a prefix finds the others. */
const MOST = 200;
/** Number of tasks to search for the prefix. */
const MOST_READ = 1_000;

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
  await withMesh(command, async (mesh) => {
    const found = (await candidates(mesh, kind)).filter(([value]) => value.startsWith(prefix)).slice(0, MOST);
    for (const [value, description] of found) out.line(description ? `${value}\t${description}` : value);
  });
}

async function candidates(mesh: Mesh, kind: LiveValues): Promise<Candidate[]> {
  switch (kind) {
    case 'tasks':
      return tasks(await mesh.list({ limit: MOST_READ }));
    case 'open-tasks':
      // Running tasks come first.
      return tasksIn(mesh, statesBefore('cancel').toReversed());
    case 'failed-tasks':
      return tasksIn(mesh, statesBefore('retry', 'command'));
    case 'nodes':
      return (await mesh.nodes()).map(({ id, state }) => [id, state]);
    case 'pools': {
      const served = (await mesh.nodes()).flatMap((node) => Object.keys(node.pools));
      return [...new Set([...served, ...(await mesh.pool.names())])].sort().map((pool) => [pool]);
    }
    case 'labels': {
      const labels = (await mesh.nodes()).flatMap((node) => Object.entries(node.labels));
      return [...new Set(labels.map(([name, value]) => `${name}=${value}`))].sort().map((label) => [label]);
    }
    case 'circuits':
      return (await mesh.circuits()).map(({ name, openedAt }) => [name, openedAt === null ? 'closed' : 'open']);
    case 'schedules':
      return (await (await mesh.schedules()).list()).map(({ name, task }) => [name, oneLine(task.message, 40)]);
  }
}

async function tasksIn(mesh: Mesh, states: readonly TaskState[]): Promise<Candidate[]> {
  const lists = await Promise.all(states.map((state) => mesh.list({ state, limit: MOST_READ })));
  return tasks(lists.flat());
}

function tasks(list: readonly Task[]): Candidate[] {
  return list.map(({ id, state, message }) => [id, `${state}  ${oneLine(message, 40)}`]);
}
