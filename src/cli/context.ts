import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import type { LoadedConfig } from '../config/load.ts';
import { shellWord } from '../domain/shell.ts';
import { systemClock } from '../platform/clock.ts';
import type { ConfigChoice } from './config-choice.ts';
import { Output } from './output.ts';
import { formatOf, type OutputOptions } from './output-options.ts';

/** The global options of every command. */
export interface GlobalOptions {
  readonly config?: string;
  readonly mesh?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
}

/** @throws ClawmeshError `usage` if the options ask for two formats. */
export function outputOf(command: Command): Output {
  const options = command.optsWithGlobals<GlobalOptions & OutputOptions>();
  const { fields, quiet, color } = options;
  return new Output({ format: formatOf(options), fields, quiet: quiet === true, color });
}

const loaded = new WeakMap<Command, { readonly config: LoadedConfig; readonly choice: ConfigChoice }>();

/**
 * The config of this command line; see {@link chooseConfig}. Read once, since it may come from a pipe.
 *
 * @throws ClawmeshError `config`; `not-found` for an unknown mesh; `usage`.
 */
export async function loadedConfig(command: Command, options: { ofNode?: boolean } = {}): Promise<LoadedConfig> {
  const known = loaded.get(command);
  if (known) return known.config;
  const [{ loadConfig }, { chooseConfig, inMesh }] = await Promise.all([
    import('../config/load.ts'),
    import('./config-choice.ts'),
  ]);
  const choice = chooseConfig(command.optsWithGlobals<GlobalOptions>(), process.env, options);
  try {
    const config = loadConfig({ file: choice.file, env: process.env });
    loaded.set(command, { config, choice });
    if (choice.ignored !== undefined) {
      const used = config.file ?? 'no config file, so all defaults';
      outputOf(command).note(`the mesh in use, ${choice.ignored}, does not apply to nodes; this one uses ${used}`);
    }
    return config;
  } catch (error) {
    throw inMesh(error, choice);
  }
}

/**
 * The config file that the user named, on the command line or in the environment.
 */
export function namedConfig(command: Command): string | undefined {
  return command.optsWithGlobals<GlobalOptions>().config ?? (process.env.CLAWMESH_CONFIG || undefined);
}

/** A command line to suggest to the user: these words, with the same config file. */
export function suggestion(command: Command, words: string): string {
  const { mesh } = command.optsWithGlobals<GlobalOptions>();
  const file = namedConfig(command);
  const config = file === undefined ? '' : ` --config ${shellWord(file)}`;
  return `clawmesh ${words}${mesh === undefined ? config : ` --mesh ${shellWord(mesh)}`}`;
}

/**
 * Opens the mesh for one command and always closes it.
 *
 * @param options `waits`: the command may run for long, and outlasts Redis outages by {@link Mesh.throughOutages}
 */
export async function withMesh<T>(
  command: Command,
  use: (mesh: Mesh) => Promise<T>,
  options: { waits?: boolean | undefined } = {},
): Promise<T> {
  const { config } = await loadedConfig(command);
  const [{ Mesh }, { redisTarget }] = await Promise.all([import('../client/mesh.ts'), import('../redis/target.ts')]);
  const onWaiting = (why: string) => outputOf(command).note(`waiting for a Redis primary: ${why}`);
  let mesh: Mesh | undefined;
  try {
    const role = options.waits ? 'service' : 'cli';
    mesh = await Mesh.connect(config, redisTarget(config, process.env), { role, onWaiting, clock: systemClock });
    return await use(mesh);
  } catch (error) {
    throw await withMeshName(command, mesh ? mesh.explain(error) : error);
  } finally {
    await mesh?.close();
  }
}

/** The error, with the mesh that the command has addressed by its name. */
async function withMeshName(command: Command, error: unknown): Promise<unknown> {
  const choice = loaded.get(command)?.choice;
  if (choice?.mesh === undefined) return error;
  const { inMesh } = await import('./config-choice.ts');
  return inMesh(error, choice);
}

/** The user who runs this command, and where. */
export async function operator(): Promise<string> {
  const { userName } = await import('../config/identity.ts');
  return `${userName()} on ${hostname()}`;
}

/** The reason for a task's history: which user cancelled it, and where. */
export async function cancelReason(): Promise<string> {
  return `cancelled by ${await operator()}`;
}

/**
 * Reports on stderr that a command waits for Redis, and when Redis is back. `meanwhile`: a note on what continues until
 * then.
 */
export function tellOfOutages(out: Output, meanwhile?: string) {
  return {
    onOutage: (why: string) =>
      out.note(`${why}; waiting for Redis to come back${meanwhile === undefined ? '' : ` (${meanwhile})`}`),
    onBack: () => out.note('Redis is back'),
  };
}
