import { Command } from 'commander';
import { humanDuration } from '../../domain/units.ts';
import type { PoolView } from '../../ops/pools.ts';
import { operator, outputOf, withMesh } from '../context.ts';
import { example } from '../help.ts';
import { pauseDuration } from '../options.ts';
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
  pool
    .command('pause')
    .description('pause a pool in the whole mesh: no more of its tasks start, running ones continue')
    .argument('<pool>', 'name of the pool')
    .option('--note <text>', 'why; status shows it')
    .option('--for <duration>', 'resume by itself after this long (default: until pool resume)', pauseDuration)
    .addHelpText('after', example('clawmesh pool pause xcode', 'clawmesh pool pause xcode --for 2h --note "licence"'))
    .action(pause);
  pool
    .command('resume')
    .description('resume a paused pool')
    .argument('<pool>', 'name of the pool')
    .addHelpText('after', example('clawmesh pool resume xcode'))
    .action(resume);
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

async function pause(name: string, options: { note?: string; for?: number }, command: Command): Promise<void> {
  const out = outputOf(command);
  const by = await operator();
  await withMesh(command, async (mesh) => {
    await mesh.pool.pause(name, { forMs: options.for, note: options.note, by });
    const end = options.for === undefined ? '' : ` for ${humanDuration(options.for)}`;
    if (out.json) out.document<'pool pause'>({ pool: name, paused: true });
    else out.note(`pool ${name} is paused${end}; running tasks continue`);
  });
}

async function resume(name: string, _options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  await withMesh(command, async (mesh) => {
    await mesh.pool.resume(name);
    if (out.json) out.document<'pool resume'>({ pool: name, paused: false });
    else out.note(`pool ${name} is resumed`);
  });
}
