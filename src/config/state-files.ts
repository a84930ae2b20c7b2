import { join } from 'node:path';
import { stateFolder } from './home.ts';

/**
 * The files and folders that a machine keeps in the state folder of a mesh ({@link stateFolder}). `<node id>` and
 * `<mesh id>` are replaced; the second is a digest of the id in Redis, since two Redis servers may have meshes of the
 * same name.
 */
export const STATE_FILES = {
  outcomes: {
    path: 'nodes/<node id>/outcomes/<mesh id>',
    means: 'Results that the node has not delivered to Redis yet, a file each; `node show` counts them.',
  },
  discarded: {
    path: 'nodes/<node id>/outcomes/<mesh id>/discarded',
    means: 'The last 100 results that came too late, or that Redis could not store.',
  },
  broken: {
    path: 'nodes/<node id>/outcomes/<mesh id>/broken',
    means: 'The last 100 files of the folder above that could not be read.',
  },
  submissions: {
    path: 'nodes/<node id>/submissions/<mesh id>',
    means: 'Runs that the node has submitted to the gateway, so that its next start finds them.',
  },
  dashboardToken: {
    path: 'dashboard.token',
    means: 'Generated token of the dashboard, if `dashboard.token` is not set. Delete it to get another one.',
  },
  lastTask: {
    path: 'last-task',
    means: 'Id of the last task that this user has enqueued from this machine; commands take it as `@last`.',
  },
  privateRedis: {
    path: 'redis',
    means: 'Data of the private Redis server of `clawmesh up`: its append-only files.',
  },
  privateServer: {
    path: 'redis/server.json',
    means: 'Processes and socket of the private server while it runs.',
  },
  privateSocket: {
    path: 'redis/redis.sock',
    means: 'Unix socket of the private server, which listens on no port.',
  },
  privateLog: { path: 'redis/redis.log', means: 'Log of the private server.' },
} as const;

/** The path of a file or folder in the state folder of this mesh. @throws ClawmeshError `config` as stateFolder does. */
export function stateFile(
  file: keyof typeof STATE_FILES,
  of: { readonly mesh: string; readonly nodeId?: string; readonly meshId?: string },
  env: NodeJS.ProcessEnv,
): string {
  const path = STATE_FILES[file].path.replace('<node id>', of.nodeId ?? '').replace('<mesh id>', of.meshId ?? '');
  return join(stateFolder(of.mesh, env), path);
}
