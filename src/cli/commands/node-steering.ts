import type { Command } from 'commander';
import { counted } from '../../domain/counted.ts';
import { ClawmeshError } from '../../domain/errors.ts';
import { type Node, orphanedWords } from '../../domain/node.ts';
import { isThere } from '../../domain/node-state.ts';
import { humanDuration } from '../../domain/units.ts';
import { operator, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { durationOption, pauseDuration } from '../options.ts';
import type { Output } from '../output.ts';

/** `node drain | pause | resume | evict | forget`: steer a node from any machine, through Redis. */
export function addNodeSteeringCommands(node: Command): void {
  node
    .command('drain')
    .description('stop a node from claiming tasks; runs that outlast its drainTimeout are released')
    .argument('<id>', 'node id')
    .option('--wait', 'wait until the node runs no tasks; exit 1 if it is resumed or loses a task')
    .option('--timeout <duration>', 'with --wait: give up after this long, with exit code 5', durationOption)
    .addHelpText('after', example('clawmesh node drain mac-1', 'clawmesh node drain mac-1 --wait --timeout 10m'))
    .action(drain);
  node
    .command('pause')
    .description('stop a node from claiming tasks for a while; its running tasks continue')
    .argument('<id>', 'node id')
    .option('--note <text>', 'why; node list and status show it')
    .option('--for <duration>', 'resume by itself after this long (default: until node resume)', pauseDuration)
    .addHelpText('after', example('clawmesh node pause mac-1', 'clawmesh node pause mac-1 --for 2h --note "new disk"'))
    .action(pause);
  node
    .command('resume')
    .description('let a drained or paused node claim tasks again')
    .argument('<id>', 'node id')
    .addHelpText('after', example('clawmesh node resume mac-1'))
    .action(resume);
  node
    .command('evict')
    .description('declare a node dead now: other nodes take over its tasks, and it stops their runs')
    .argument('<id>', 'node id')
    .addHelpText('after', example('clawmesh node evict mac-1'))
    .action(evict);
  node
    .command('forget')
    .description('remove a node that is dead or has stopped for good, so that status no longer reports it')
    .argument('<id>', 'node id')
    .addHelpText(
      'after',
      `${example('clawmesh node forget mac-1')}\n\nFails while the node is up or has claims. If the node comes back, it counts as a new node.`,
    )
    .action(forget);
}

async function drain(id: string, options: { wait?: boolean; timeout?: number }, command: Command): Promise<void> {
  const out = outputOf(command);
  if (options.timeout !== undefined && !options.wait) {
    throw new ClawmeshError('usage', '--timeout requires --wait', { remedy: 'add --wait' });
  }
  await withMesh(command, async (mesh) => {
    let node = await mesh.node.drain(id);
    if (!out.json) out.note(drainWords(node));
    if (options.wait) {
      node = await mesh.node.waitUntilDrained(node, options.timeout);
      if (!out.json && node.state === 'draining') out.note(`${id} is drained: it runs no tasks`);
    }
    if (out.json) printSteered(out, node, 'drain');
  });
}

function drainWords({ id, state, running, orphaned }: Node): string {
  if (isThere(state)) {
    return `${id} claims no more tasks; ${running.length} still ${running.length === 1 ? 'runs' : 'run'}`;
  }
  const rest = orphaned.length > 0 ? `; ${orphanedWords(orphaned.length)}` : '';
  return (
    `${id} ${state === 'dead' ? 'is dead' : 'has stopped'}; when it comes back, it claims no tasks until it is resumed ` +
    `(clawmesh node resume ${id})${rest}`
  );
}

async function pause(id: string, options: { note?: string; for?: number }, command: Command): Promise<void> {
  const out = outputOf(command);
  const by = await operator();
  await withMesh(command, async (mesh) => {
    const node = await mesh.node.pause(id, { forMs: options.for, note: options.note, by });
    if (out.json) return printSteered(out, node, 'pause');
    const end = options.for === undefined ? `until clawmesh node resume ${id}` : `for ${humanDuration(options.for)}`;
    if (isThere(node.state)) {
      const { length } = node.running;
      const running =
        length === 0 ? '' : `; ${counted(length, 'running task')} ${length === 1 ? 'continues' : 'continue'}`;
      out.note(`${id} claims no tasks ${end}${running}`);
    } else {
      out.note(
        `${id} ${node.state === 'dead' ? 'is dead' : 'has stopped'}; when it comes back, it claims no tasks ${end}`,
      );
    }
  });
}

async function resume(id: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const node = await mesh.node.resume(id);
    if (out.json) printSteered(out, node, 'resume');
    else if (node.state === 'dead') out.note(`${id} is dead; it will claim tasks when it comes back`);
    else if (node.state === 'stopped') out.note(`${id} has stopped; it will claim tasks when it comes back`);
    else out.note(`${id} is resumed`);
  });
}

function printSteered(out: Output, { id, state, running, orphaned }: Node, wanted: 'drain' | 'pause' | 'resume'): void {
  out.document<'node drain' | 'node pause' | 'node resume'>({ id, wanted, state, running, orphaned });
}

async function evict(id: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const tasks = (await mesh.node.evict(id)).map(({ taskId }) => taskId);
    if (out.json) out.document<'node evict'>({ id, requeued: tasks });
    else
      out.note(
        `${id} is declared dead; ${counted(tasks.length, 'task')} ${tasks.length === 1 ? 'was' : 'were'} requeued`,
      );
  });
}

async function forget(id: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    const { waiting } = await mesh.node.forget(id);
    const inInventory = Object.keys(mesh.config.nodes).includes(id);
    if (out.json) return out.document<'node forget'>({ id, forgotten: true, inInventory, waiting });
    out.note(`${id} is forgotten`);
    if (inInventory) {
      out.note('also remove it from nodes: in the config of every node, or status keeps reporting it as never seen');
    }
    if (waiting === 0) return;
    const what = `${counted(waiting, 'task')} ${waiting === 1 ? 'waits' : 'wait'} for ${id}`;
    const them = waiting === 1 ? 'it' : 'them';
    out.note(
      `${what}, and no other node may run ${them}; find ${them} with clawmesh task list --state waiting, then cancel ${them}`,
    );
  });
}
