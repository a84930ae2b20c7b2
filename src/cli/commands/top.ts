import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';

export function topCommand(): Command {
  return new Command('top')
    .description('show nodes, tasks and handovers live in the terminal, with keys to steer it (? lists them)')
    .addHelpText('after', example('clawmesh top'))
    .action(top);
}

async function top(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  if (out.json || !process.stdin.isTTY || !process.stdout.isTTY) {
    throw new ClawmeshError('usage', 'top requires a terminal', {
      remedy: 'without one: clawmesh status --watch --json',
    });
  }
  // Ink's own color detection fails in some terminals, so our decision is passed on to it.
  if (out.color) process.env.FORCE_COLOR ??= '1';
  const { config } = await loadedConfig(command);
  const [{ Mesh }, { redisTarget }, { runTop }] = await Promise.all([
    import('../../client/mesh.ts'),
    import('../../redis/target.ts'),
    import('../top/top.tsx'),
  ]);
  const mesh = await Mesh.connect(config, redisTarget(config, process.env), { role: 'service', clock: systemClock });
  try {
    await runTop(mesh, out.color);
  } finally {
    await mesh.close();
  }
}
