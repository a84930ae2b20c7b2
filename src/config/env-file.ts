import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import { ClawmeshError, messageOf } from '../domain/errors.ts';

/** Beside the config file; `$CLAWMESH_ENV_FILE` names another. */
export const ENV_FILE = 'clawmesh.env';
const OTHERS = 0o077;

/** Whether others than its owner may read or write the file. @throws Error where it can't be looked at. */
export function openToOthers(file: string): boolean {
  return (statSync(file).mode & OTHERS) !== 0;
}

/**
 * The environment for a config: that of the process, and below it what the file of secrets beside the config says
 * (`NAME=value` lines). So neither a service's definition nor the environment of agent runs has them.
 *
 * @throws ClawmeshError `config` where that file can't be read, or may be by others.
 */
export function configEnvironment(configFile: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const file = env.CLAWMESH_ENV_FILE || join(dirname(configFile), ENV_FILE);
  let text: string;
  try {
    if (openToOthers(file)) {
      throw new ClawmeshError('config', `${file}: holds secrets, and others may read or write it`, {
        remedy: `chmod 600 ${file}`,
      });
    }
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ClawmeshError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !env.CLAWMESH_ENV_FILE) return env;
    throw new ClawmeshError('config', `${file}: ${messageOf(error)}`, {
      remedy: 'check $CLAWMESH_ENV_FILE, and that this user may read the file',
      cause: error,
    });
  }
  return { ...parseEnv(text), ...env };
}
