import { existsSync, readFileSync } from 'node:fs';

// The build replaces this module (scripts/build.ts), so that the bundle contains all texts. A command then reads no
// file per script, and a running daemon never reads a script of another version that was installed over its own.

/** The text of a Lua file, by its name below the folder of all sources; undefined if there is none. */
export function luaFile(name: string): string | undefined {
  const file = new URL(`../${name}`, import.meta.url);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
