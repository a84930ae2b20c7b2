import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { utf8Text } from '../domain/text.ts';
import { envValues } from './env-values.ts';

/** Beside the config file; `$CLAWMESH_ENV_FILE` names another. */
export const ENV_FILE = 'clawmesh.env';
const OTHERS = 0o077;

/** Whether others than its owner may read or write the file. @throws Error where it can't be looked at. */
export function openToOthers(file: string): boolean {
  return (statSync(file).mode & OTHERS) !== 0;
}

/**
 * The environment for a config: that of the process, and below it what the file of secrets beside the config says
 * (see {@link envValues}). So neither a service's definition nor the environment of agent runs has them.
 *
 * @throws ClawmeshError `config` where that file can't be read, or may be by others, or a line of it is unclear.
 */
export function configEnvironment(configFile: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = env.CLAWMESH_ENV_FILE || join(dirname(configFile), ENV_FILE);
  let bytes: Buffer;
  try {
    if (openToOthers(file)) {
      throw new ClawmeshError('config', `${file}: holds secrets, and others may read or write it`, {
        remedy: `chmod 600 ${file}`,
      });
    }
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof ClawmeshError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !env.CLAWMESH_ENV_FILE) return env;
    throw new ClawmeshError('config', `${file}: ${messageOf(error)}`, {
      remedy: 'check $CLAWMESH_ENV_FILE, and that this user may read the file',
      cause: error,
    });
  }
  try {
    return { ...envValues(utf8Text(bytes)), ...env };
  } catch (error) {
    throw new ClawmeshError('config', `${file}: ${messageOf(error)}`, { remedy: 'nothing was changed', cause: error });
  }
}
