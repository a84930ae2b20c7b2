import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import type { LoadedConfig } from '../config/load.ts';
import { shellWord } from '../domain/shell.ts';
import { systemClock } from '../platform/clock.ts';
import { Output } from './output.ts';

/** The global options of every command. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
}

export function outputOf(command: Command): Output {
  const options = command.optsWithGlobals<GlobalOptions>();
  return new Output({ json: options.json === true, quiet: options.quiet === true, color: options.color });
}

const loaded = new WeakMap<Command, LoadedConfig>();

/** The config of this command line. Read once, since it may come from a pipe. @throws ClawmeshError `config`. */
export async function loadedConfig(command: Command): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load.ts');
  const found =
    loaded.get(command) ?? loadConfig({ file: command.optsWithGlobals<GlobalOptions>().config, env: process.env });
  loaded.set(command, found);
  return found;
}

/**
 * The config file that the user named, on the command line or in the environment; a suggested command must name it,
 * too.
 */
export function namedConfig(command: Command): string | undefined {
  return command.optsWithGlobals<GlobalOptions>().config ?? (process.env.CLAWMESH_CONFIG || undefined);
}

/** A command line to suggest to the user: these words, with the same config file. */
export function suggestion(command: Command, words: string): string {
  const file = namedConfig(command);
  return `clawmesh ${words}${file === undefined ? '' : ` --config ${shellWord(file)}`}`;
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
  const mesh = await Mesh.connect(config, redisTarget(config, process.env), {
    role: options.waits ? 'service' : 'cli',
    onWaiting,
    clock: systemClock,
  });
  try {
    return await use(mesh);
  } catch (error) {
    throw mesh.explain(error);
  } finally {
    await mesh.close();
  }
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
