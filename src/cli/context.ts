import type { Command } from 'commander';
import type { Mesh } from '../client/mesh.ts';
import type { LoadedConfig } from '../config/load.ts';
import { Output } from './output.ts';

/** Flags every command has. */
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

/** The config of this command line. It is read once, as it may come from a pipe. @throws ClawmeshError `config`. */
export async function loadedConfig(command: Command): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load.ts');
  const found =
    loaded.get(command) ?? loadConfig({ file: command.optsWithGlobals<GlobalOptions>().config, env: process.env });
  loaded.set(command, found);
  return found;
}

/** Opens the mesh for one command and closes it whatever happens. */
export async function withMesh<T>(command: Command, use: (mesh: Mesh) => Promise<T>): Promise<T> {
  const { config } = await loadedConfig(command);
  const [{ Mesh }, { redisTarget }] = await Promise.all([import('../client/mesh.ts'), import('../redis/target.ts')]);
  const onWaiting = (why: string) => outputOf(command).note(`waiting for Redis to have a primary again: ${why}`);
  const mesh = await Mesh.connect(config, redisTarget(config, process.env), { onWaiting });
  try {
    return await use(mesh);
  } catch (error) {
    throw mesh.explain(error);
  } finally {
    await mesh.close();
  }
}
