import { Command } from 'commander';
import type { PoolView } from '../../ops/pools.ts';
import { outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import type { Output } from '../output.ts';
import { addOutputOptions } from '../output-options.ts';

export function poolCommand(): Command {
  const pool = new Command('pool')
    .description('list, pause and resume pools')
    .addHelpText('after', example('clawmesh pool list', 'clawmesh pool pause xcode'));
  addOutputOptions(pool.command('list'))
    .description('list pools, with the numbers of their tasks and the nodes that serve them')
    .addHelpText('after', example('clawmesh pool list'))
    .action(list);
  for (const [name, what, paused] of [
    ['pause', 'pause a pool in the whole mesh: no more of its tasks start, running ones continue', true],
    ['resume', 'resume a paused pool', false],
  ] as const) {
    pool
      .command(name)
      .description(what)
      .argument('<pool>', 'name of the pool')
      .addHelpText('after', example(`clawmesh pool ${name} xcode`))
      .action((id: string, _options: object, command: Command) => setPaused(id, paused, command));
  }
  return pool;
}

async function list(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const { viewPools } = await import('../../ops/pools.ts');
  await withMesh(command, async (mesh) => {
    const pools = await viewPools(mesh);
    if (out.json) out.document<'pool list'>({ pools }, 'pools');
    else if (pools.length === 0) out.note('no pool has been used or served yet');
    else printPools(out, pools);
  });
}

function printPools(out: Output, pools: readonly PoolView[]): void {
  out.table(
    ['POOL', 'STATE', 'RUNNING', 'WAITING', 'DELAYED', 'FAILED', 'NODES'],
    pools.map((pool) => [
      pool.name,
      pool.paused ? out.style('yellow', 'paused') : pool.nodes.length > 0 ? 'served' : out.style('red', 'not served'),
      `${pool.running}/${pool.concurrency}`,
      ...[pool.waiting, pool.delayed, pool.failed].map(String),
      pool.nodes.join(' ') || '-',
    ]),
  );
}

async function setPaused(name: string, paused: boolean, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    await (paused ? mesh.pool.pause(name) : mesh.pool.resume(name));
    if (out.json) out.document<'pool pause' | 'pool resume'>({ pool: name, paused });
    else out.note(paused ? `pool ${name} is paused; running tasks continue` : `pool ${name} is resumed`);
  });
}
