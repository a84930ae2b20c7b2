import { hostname, userInfo } from 'node:os';
import { ClawmeshError } from '../domain/errors.ts';
import { NODE_ID, NODE_ID_HINT } from '../domain/names.ts';

/**
 * This machine's node id: `$CLAWMESH_NODE_ID`, `$NODE_ID`, else the host name without `.local` or its domain.
 *
 * @throws ClawmeshError `config` if the id is invalid.
 */
export function nodeIdentity(env: NodeJS.ProcessEnv): string {
  const variable = env.CLAWMESH_NODE_ID ? 'CLAWMESH_NODE_ID' : env.NODE_ID ? 'NODE_ID' : undefined;
  const id = variable ? (env[variable] ?? '') : (hostname().split('.')[0] ?? '');
  if (NODE_ID.test(id)) return id;
  throw new ClawmeshError(
    'config',
    `${variable ? `$${variable}` : 'host name'} ${JSON.stringify(id)} is not a valid node id`,
    {
      remedy: `set CLAWMESH_NODE_ID to ${NODE_ID_HINT}`,
    },
  );
}

/** The user that runs this process; its number if the system has no entry for it (a container, an arbitrary uid). */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}
