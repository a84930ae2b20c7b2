import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ClawmeshError, messageOf } from '../domain/errors.ts';
import { utf8Text } from '../domain/text.ts';
import { envValues } from './env-values.ts';

/** Next to the config file; `$CLAWMESH_ENV_FILE` names another file. */
export const ENV_FILE = 'clawmesh.env';
const OTHERS = 0o077;

/** Whether users other than the owner may read or write the file. @throws Error if it can't be inspected. */
export function openToOthers(file: string): boolean {
  return (statSync(file).mode & OTHERS) !== 0;
}

/**
 * The environment for a config: the process environment, which overrides the file of secrets next to the config (see
 * {@link envValues}). This keeps the secrets out of the service definition and out of the environment of agent runs.
 *
 * @throws ClawmeshError `config` if the file can't be read, is open to other users, or has an ambiguous line.
 */
export function configEnvironment(configFile: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = env.CLAWMESH_ENV_FILE || join(dirname(configFile), ENV_FILE);
  let bytes: Buffer;
  try {
    if (openToOthers(file)) {
      throw new ClawmeshError('config', `${file}: contains secrets, and other users may read or write it`, {
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
    throw new ClawmeshError('config', `${file}: ${messageOf(error)}`, {
      remedy: 'nothing was changed; correct the file and try again',
      cause: error,
    });
  }
}
