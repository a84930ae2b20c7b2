import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import type { ServiceDefinition } from '../../ops/service/definition.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption } from '../options.ts';

/** The program that the service runs, in the parent folder of this file; it exists only in the build. */
const ENTRY = fileURLToPath(new URL('../main.js', import.meta.url));

const MANAGERS = ['launchd', 'systemd'] as const;
const ACTIONS = {
  uninstall: 'stop the service of this machine and remove it',
  start: 'start the service of this machine',
  stop: 'let the node of this machine end its runs and stop; it comes back with the next login or boot',
  restart: 'let the node of this machine end its runs, and start it anew',
} as const;
type Action = keyof typeof ACTIONS | 'install';

const DONE: Readonly<Record<Action, string>> = {
  install: 'is installed, and runs',
  uninstall: 'is stopped and removed',
  start: 'runs',
  stop: 'is stopped',
  restart: 'was restarted',
};

interface ServiceOptions {
  readonly system?: boolean;
  readonly user?: string;
  readonly dryRun?: boolean;
  readonly manager?: (typeof MANAGERS)[number];
}

/** `node install | uninstall | start | stop | restart`: control the service that keeps this machine's node running. */
export function nodeServiceCommands(): Command[] {
  const install = service('install', 'keep a node running on this machine: a service of launchd, or of systemd')
    .option('--user <name>', 'with --system: the user the node runs as')
    .addHelpText(
      'after',
      `${example('CLAWMESH_NODE_ID=mac-1 clawmesh node install', 'clawmesh node install --dry-run')}\n\nInstalling again takes over what has changed, and does nothing where nothing has. Secrets stay in clawmesh.env\nbeside the config.`,
    );
  const others = Object.entries(ACTIONS).map(([name, description]) =>
    service(name as Action, description).addHelpText('after', example(`clawmesh node ${name}`)),
  );
  return [install, ...others];
}

function service(action: Action, description: string): Command {
  return new Command(action)
    .description(description)
    .option('--system', 'of the whole machine, not of this user: runs without a login, takes sudo')
    .option('--dry-run', 'print what would be done')
    .option('--manager <name>', 'launchd or systemd (default: that of this machine)', choiceOption(MANAGERS))
    .action((options: ServiceOptions, command: Command) => act(action, options, command));
}

async function act(action: Action, options: ServiceOptions, command: Command): Promise<void> {
  const out = outputOf(command);
  const [{ serviceManager, carryOut, stepText }, { NOT_LOADED }] = await Promise.all([
    import('../../ops/service/service.ts'),
    import('../../ops/service/manager.ts'),
  ]);
  const manager = serviceManager({ system: options.system === true, manager: options.manager, env: process.env });
  const { service, file } = manager;
  const installed = manager.installed();
  if (!installed && action !== 'install' && action !== 'uninstall') {
    const remedy = `clawmesh node install${options.system ? ' --system' : ''}`;
    throw new ClawmeshError('failed', `no service of clawmesh is installed: there is no ${file}`, { remedy });
  }
  const definition = action === 'install' ? await definitionOf(manager.name, options, command) : undefined;
  // A dry run is also useful if the manager can't be queried.
  const state = await manager.state().catch((error: unknown) => (options.dryRun ? NOT_LOADED : Promise.reject(error)));
  const now = { installed, state };
  const steps = action === 'install' ? manager.install(definition as ServiceDefinition, now) : manager[action](now);
  if (!options.dryRun && state.pid && steps.length > 0) out.note(`${service} ends what it runs first`);
  if (!options.dryRun) await carryOut(manager, steps, systemClock);
  if (out.json) out.document<`node ${Action}`>({ service, file, dryRun: options.dryRun === true, steps });
  else if (!options.dryRun) out.note(steps.length > 0 ? `${service} ${DONE[action]}` : `${service}: nothing to do`);
  else {
    for (const step of steps) out.foreign(step.do === 'write' ? `${stepText(step)}\n\n${step.text}` : stepText(step));
  }
}

async function definitionOf(
  manager: (typeof MANAGERS)[number],
  { system = false, user }: ServiceOptions,
  command: Command,
): Promise<ServiceDefinition> {
  const [{ serviceDefinition }, { nodeIdentity }, { nodeConfig }, { sharedFile }] = await Promise.all([
    import('../../ops/service/definition.ts'),
    import('../../config/identity.ts'),
    import('../../config/node-settings.ts'),
    import('../../config/load.ts'),
  ]);
  if (user !== undefined && !system) {
    throw new ClawmeshError('usage', '--user is for --system', { remedy: 'without it the node runs as you' });
  }
  const { config, file } = await loadedConfig(command);
  if (!file) {
    throw new ClawmeshError('config', 'there is no config for the node to run with', {
      remedy: 'write ~/.config/clawmesh/clawmesh.yaml (see config/clawmesh.example.yaml), or name one with --config',
    });
  }
  const nodeId = nodeIdentity(process.env);
  return serviceDefinition({
    nodeId,
    entry: ENTRY,
    configFile: resolve(sharedFile(file)),
    drainTimeoutMs: nodeConfig(config, nodeId).drainTimeout,
    openclawBin: config.openclaw.exec.bin,
    system,
    user,
    manager,
    env: process.env,
  });
}
