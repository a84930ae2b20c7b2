import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The full path of the first of these programs that is on PATH, or exists if its name has a slash; undefined if none.
 */
export function findProgram(names: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  for (const name of names) {
    const folders = name.includes('/') ? [''] : (env.PATH ?? '').split(delimiter).filter(Boolean);
    const found = folders.map((folder) => (folder ? join(folder, name) : name)).find(isExecutable);
    if (found) return found;
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
