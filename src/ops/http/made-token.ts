import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { openToOthers } from '../../config/env-file.ts';
import { stateFile } from '../../config/state-files.ts';
import { ClawmeshError, messageOf } from '../../domain/errors.ts';
import { makeFolderSync } from '../../platform/make-folder.ts';

/** Too long to guess. */
const TOKEN_BYTES = 32;
/** 32 bytes in base64url. */
const TOKEN = /^[\w-]{43}$/;

/** The file of the generated dashboard token: `$CLAWMESH_HOME` or `~/.clawmesh`, then `<mesh>/dashboard.token`. */
export function madeTokenFile(mesh: string, env: NodeJS.ProcessEnv): string {
  return stateFile('dashboardToken', { mesh }, env);
}

/**
 * The token of a dashboard without a configured one. It is generated once for this user, machine and mesh, so that
 * other users of the machine can't steer the mesh, and sessions outlast a restart.
 *
 * @throws ClawmeshError `config` if others may read it, or it can't be read or created.
 */
export function madeToken(mesh: string, env: NodeJS.ProcessEnv): string {
  const file = madeTokenFile(mesh, env);
  try {
    return readToken(file) ?? makeToken(file);
  } catch (error) {
    if (error instanceof ClawmeshError) throw error;
    throw new ClawmeshError('config', `${file}: ${messageOf(error)}`, {
      remedy:
        'make the folder writable for this user, or set dashboard.token (for example to ${CLAWMESH_DASHBOARD_TOKEN})',
      cause: error,
    });
  }
}

function readToken(file: string): string | undefined {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const why = openToOthers(file)
    ? 'other users may read or write it'
    : TOKEN.test(token)
      ? undefined
      : 'it was changed';
  if (why === undefined) return token;
  throw new ClawmeshError('config', `${file}: contains the dashboard token, and ${why}`, {
    remedy: `rm ${file}; the next start generates a new token`,
  });
}

/** Another process may do the same at this moment: the first token counts, and a link makes it appear complete. */
function makeToken(file: string): string {
  makeFolderSync(dirname(file));
  const mine = `${file}.${process.pid}`;
  rmSync(mine, { force: true });
  writeFileSync(mine, `${randomBytes(TOKEN_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(mine, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(mine, { force: true });
  }
  const token = readToken(file);
  if (token === undefined) throw new Error('the file disappeared while it was created');
  return token;
}
