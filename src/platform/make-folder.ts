import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes the folder, and those above it that are not there; `0700` unless told otherwise. Node's own `recursive` never returns
 * where the system says ENOENT of a parent that is there (`/proc`, a folder that has been deleted), and says ENOENT of a disk
 * that can only be read.
 *
 * @returns whether it had to be made. @throws NodeJS.ErrnoException of the first folder that can't be made.
 */
export async function makeFolder(path: string, mode = 0o700): Promise<boolean> {
  if (await isFolder(path)) return false;
  const parent = dirname(path);
  if (parent !== path) await makeFolder(parent, mode);
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    // Another process may do the same just now.
    if (await isFolder(path)) return false;
    throw error;
  }
}

/** The same, at once; for short commands and the moment of a start. */
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
