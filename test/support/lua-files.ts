import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readLua } from '../../src/redis/scripts.ts';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** Every Lua file, by its name below `src`, in the order of the names. */
export function luaFiles(): Map<string, string> {
  const names = globSync('**/*.lua', { cwd: SRC }).sort();
  return new Map(names.map((name) => [name, readFileSync(join(SRC, name), 'utf8')]));
}

/** Every script as Redis gets it, by the name of its file below `src`. */
export function shippedScripts(): Map<string, string> {
  const names = [...luaFiles().keys()].filter((name) => !/(?:^redis\/lua|\/includes)\//.test(name));
  return new Map(
    names.map((name) => {
      const [, folder = '', script = ''] = /^(.*)\/([^/]*)\.lua$/.exec(name) ?? [];
      return [name, readLua(folder, script)];
    }),
  );
}
