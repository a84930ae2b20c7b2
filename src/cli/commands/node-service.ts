import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { ClawmeshError } from '../../domain/errors.ts';
import type { ServiceDefinition } from '../../ops/service/definition.ts';
import { systemClock } from '../../platform/clock.ts';
import { loadedConfig, outputOf } from '../context.ts';
import { example } from '../help.ts';
import { choiceOption } from '../options.ts';

/**
 * The program that the service runs: the built one, or that of the checkout if this file is not built. The build keeps
 * the name of this source in `import.meta.url`, so only the file system tells.
 */
function entryFile(): string {
  const [built = '', source = ''] = ['../main.js', '../main.ts'].map((file) =>
    fileURLToPath(new URL(file, import.meta.url)),
  );
  return existsSync(built) ? built : source;
}

const MANAGERS = ['launchd', 'systemd'] as const;
const ACTIONS = {
  uninstall: "stop and remove this machine's service",
  start: "start this machine's service",
  stop: "drain this machine's node and stop its service until the next login or boot",
  restart: "drain this machine's node and restart its service",
} as const;
type Action = keyof typeof ACTIONS | 'install';

const DONE: Readonly<Record<Action, string>> = {
  install: 'is installed and running',
  uninstall: 'is stopped and removed',
  start: 'is running',
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
  const install = service('install', 'install the launchd or systemd service that keeps a node running on this machine')
    .option('--user <name>', 'with --system: user to run the node as')
    .addHelpText(
      'after',
      `${example('CLAWMESH_NODE_ID=mac-1 clawmesh node install', 'clawmesh node install --dry-run')}\n\nInstalling again applies changes, and does nothing if there are none. Secrets stay in clawmesh.env, beside the\nconfig file.`,
    );
  const others = Object.entries(ACTIONS).map(([name, description]) =>
    service(name as Action, description).addHelpText('after', example(`clawmesh node ${name}`)),
  );
  return [install, ...others];
}

function service(action: Action, description: string): Command {
  return new Command(action)
    .description(description)
    .option('--system', "use a system-wide service instead of this user's: runs without a login, requires sudo")
    .option('--dry-run', 'print the files and commands without applying them')
    .option(
      '--manager <name>',
      'service manager: launchd or systemd (default: the one on this machine)',
      choiceOption(MANAGERS),
    )
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
    const remedy = `first: clawmesh node install${options.system ? ' --system' : ''}`;
    throw new ClawmeshError('failed', `the clawmesh service is not installed: there is no ${file}`, { remedy });
  }
  const definition = action === 'install' ? await definitionOf(manager.name, options, command) : undefined;
  // A dry run is also useful if the manager can't be queried.
  const state = await manager.state().catch((error: unknown) => (options.dryRun ? NOT_LOADED : Promise.reject(error)));
  const now = { installed, state };
  const steps = action === 'install' ? manager.install(definition as ServiceDefinition, now) : manager[action](now);
  if (!options.dryRun && state.pid && steps.length > 0) out.note(`${service} finishes its running tasks first`);
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
    throw new ClawmeshError('usage', '--user requires --system', {
      remedy: 'add --system; without it, the node runs as you',
    });
  }
  const { config, file } = await loadedConfig(command, { ofNode: true });
  if (!file) {
    throw new ClawmeshError('config', 'there is no config file for the node', {
      remedy:
        'create ~/.config/clawmesh/clawmesh.yaml (see config/clawmesh.example.yaml), or give another file with --config',
    });
  }
  const nodeId = nodeIdentity(process.env);
  return serviceDefinition({
    nodeId,
    entry: entryFile(),
    configFile: resolve(sharedFile(file)),
    drainTimeoutMs: nodeConfig(config, nodeId).drainTimeout,
    openclawBin: config.openclaw.exec.bin,
    system,
    user,
    manager,
    env: process.env,
  });
}
