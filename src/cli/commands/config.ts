import { Command } from 'commander';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';

export function configCommand(): Command {
  const config = new Command('config')
    .description('check and show the config')
    .addHelpText('after', example('clawmesh config check', 'clawmesh config show'));
  config
    .command('check')
    .description('validate the config file')
    .addHelpText('after', example('clawmesh config check --config config/clawmesh.yaml'))
    .action(check);
  config
    .command('show')
    .description('print the merged config with secrets masked, and the source of each value')
    .addHelpText('after', example('clawmesh config show', 'clawmesh config show --json'))
    .action(show);
  config
    .command('digest')
    .description('print a hash of the settings that must be the same on all nodes')
    .addHelpText('after', example('clawmesh config digest'))
    .action(digest);
  return config;
}

async function check(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const loaded = await loadedConfig(command);
  const { configDigest } = await import('../../config/digest.ts');
  const file = loaded.file ?? null;
  const digest = configDigest(loaded.config);
  if (out.json) out.document<'config check'>({ ok: true, file, mesh: loaded.config.mesh, digest });
  else out.line(`${file ?? 'no config file, all defaults'}: valid (mesh ${loaded.config.mesh}, digest ${digest})`);
}

async function show(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const loaded = await loadedConfig(command);
  const { configYaml, shownConfig } = await import('../../config/show.ts');
  if (out.json) out.document<'config show'>(shownConfig(loaded));
  else out.foreign(configYaml(loaded).trimEnd());
}

async function digest(_options: object, command: Command): Promise<void> {
  const out = outputOf(command);
  const loaded = await loadedConfig(command);
  const { configDigest } = await import('../../config/digest.ts');
  const value = configDigest(loaded.config);
  if (out.json) out.document<'config digest'>({ digest: value });
  else out.line(value);
}
