import { readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { homeFolder } from '../../config/home.ts';
import { findProgram } from '../../platform/find-program.ts';
import type { ServiceManager } from './manager.ts';

/** The definition of a node's service; the same for every service manager. */
export interface ServiceDefinition {
  readonly nodeId: string;
  /** Program and arguments, with absolute paths. */
  readonly command: readonly string[];
  /** The service's whole environment; without secrets, since any user may read a service's definition. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the log under launchd; systemd keeps the log itself. */
  readonly logFolder: string;
  /** From SIGTERM to SIGKILL, s: longer than the node takes to drain. */
  readonly stopTimeoutS: number;
  /** The user that the service runs as; undefined for the installing user. */
  readonly user: string | undefined;
}

/** Time beyond `drainTimeout` to release unfinished tasks and send the last heartbeat, ms. */
const GOODBYE_MS = 30_000;
/** launchd and systemd give a service only a minimal PATH; the first of these is Homebrew's on Apple Silicon. */
const USUAL_PATH = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Where launchd's services log: those of a user, and those of the machine. */
export const LOG_FOLDERS = {
  user: (env: NodeJS.ProcessEnv) => join(homeFolder(env), 'Library/Logs/clawmesh'),
  machine: () => '/Library/Logs/clawmesh',
} as const satisfies Readonly<Record<string, (env: NodeJS.ProcessEnv) => string>>;
/** The node's own log, and everything else that it prints. */
export const NODE_LOG = 'node.log';
export const PRINTED_LOG = 'node.err.log';

export function serviceDefinition(of: {
  readonly nodeId: string;
  readonly entry: string;
  readonly configFile: string;
  readonly drainTimeoutMs: number;
  readonly openclawBin: string;
  readonly system: boolean;
  readonly user: string | undefined;
  readonly manager: ServiceManager['name'];
  readonly env: NodeJS.ProcessEnv;
}): ServiceDefinition {
  const { nodeId, env } = of;
  const logFolder = LOG_FOLDERS[of.system ? 'machine' : 'user'](env);
  const node = stableProgram('node', process.execPath, env);
  // systemd's journal keeps the output of a service; launchd only appends it to a file without rotation.
  const logFile = of.manager === 'launchd' ? ['--log-file', join(logFolder, NODE_LOG)] : [];
  const openclaw = findProgram([of.openclawBin], env);
  const folders = [dirname(node), ...(openclaw ? [dirname(openclaw)] : []), ...USUAL_PATH];
  return {
    nodeId,
    command: [node, of.entry, '--config', of.configFile, 'node', 'run', ...logFile],
    env: {
      PATH: [...new Set(folders)].join(delimiter),
      CLAWMESH_NODE_ID: nodeId,
      ...(env.CLAWMESH_ENV_FILE && { CLAWMESH_ENV_FILE: env.CLAWMESH_ENV_FILE }),
      ...(env.CLAWMESH_HOME && { CLAWMESH_HOME: env.CLAWMESH_HOME }),
      ...proxies(env),
    },
    logFolder,
    stopTimeoutS: Math.ceil((of.drainTimeoutMs + GOODBYE_MS) / 1_000),
    user: of.user,
  };
}

/**
 * Proxy settings, for alerts and agent runs. A URL that may contain a password is left out, since any user may read the
 * file.
 */
function proxies(env: NodeJS.ProcessEnv): Record<string, string> {
  const set = Object.entries(env).filter(([name]) => /^(https?|no)_proxy$/i.test(name));
  return Object.fromEntries(set.flatMap(([name, value]) => (value && !/@/.test(value) ? [[name, value]] : [])));
}

/**
 * The path on PATH that leads to this program now: Homebrew's own path changes with each version, but its link stays.
 */
function stableProgram(name: string, actual: string, env: NodeJS.ProcessEnv): string {
  for (const folder of [...(env.PATH ?? '').split(delimiter), ...USUAL_PATH]) {
    const found = folder.startsWith('/') ? findProgram([join(folder, name)], env) : undefined;
    if (found && realpathSync(found) === realpathSync(actual)) return found;
  }
  return actual;
}

/** A file's text; undefined if it can't be read. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
