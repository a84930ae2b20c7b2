import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { ClawmeshError, messageOf } from '../domain/errors.ts';

/**
 * The home folder of this user.
 *
 * @throws ClawmeshError `config` for a user without one: no `$HOME`, and no entry in the user database of the system.
 */
export function homeFolder(env: NodeJS.ProcessEnv): string {
  const found = env.HOME || homeOfSystem();
  if (found) return found;
  throw new ClawmeshError('config', 'this user has no home folder, and HOME is not set', {
    remedy: 'set HOME, or set CLAWMESH_HOME to the folder in which clawmesh keeps its state',
  });
}

function homeOfSystem(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

/**
 * The state folder of this machine for a mesh: named after the mesh, in `$CLAWMESH_HOME` or `~/.clawmesh`.
 *
 * @throws ClawmeshError `config` as {@link homeFolder} does.
 */
export function stateFolder(mesh: string, env: NodeJS.ProcessEnv): string {
  const folder = env.CLAWMESH_HOME || join(homeFolder(env), '.clawmesh');
  return join(isAbsolute(folder) ? folder : resolve(folder), mesh);
}

/** Error for an unusable folder or file in {@link stateFolder}. */
export function unusableState(path: string, error: unknown): ClawmeshError {
  return new ClawmeshError('config', `${path} can't be used: ${messageOf(error)}`, {
    remedy:
      'make it writable for this user and check that the disk has free space, or set CLAWMESH_HOME to another folder',
    cause: error,
  });
}
