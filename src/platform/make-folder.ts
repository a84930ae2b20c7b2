import { existsSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Creates the folder and its missing parents, with mode `0700` unless told otherwise. Node's own `recursive` option has
 * two bugs. It never returns if the system reports ENOENT for an existing parent (`/proc`, or a deleted folder). And it
 * reports ENOENT for a read-only disk.
 *
 * @returns whether it was created. @throws NodeJS.ErrnoException of the first folder that can't be created.
 */
export async function makeFolder(path: string, mode = 0o700): Promise<boolean> {
  if (await isFolder(path)) return false;
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent, mode);
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    // Another process may have created it at the same time.
    if (await isFolder(path)) return false;
    throw error;
  }
}

/** The synchronous form, for short commands and for the start. */
export function makeFolderSync(path: string, mode = 0o700): boolean {
  if (isFolderSync(path)) return false;
  const parent = dirname(path);
  if (parent !== path) makeFolderSync(parent, mode);
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (isFolderSync(path)) return false;
    throw error;
  }
}

/** The path, or the nearest of its parents that exists: there the path would be created. */
export function nearestExisting(path: string): string {
  const parent = dirname(path);
  return existsSync(path) || parent === path ? path : nearestExisting(parent);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function isFolderSync(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
