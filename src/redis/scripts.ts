import type { Redis } from 'ioredis';
import type { MeshKeys } from './keys.ts';
import { luaFile } from './lua-files.ts';

type Argument = string | number;
type Runner = (keyCount: number, ...args: Argument[]) => Promise<unknown>;

/** Scripts of all folders may include these: key names, Redis time, the fence. */
const SHARED = 'redis/lua';

/**
 * A Lua script that runs as one atomic step in Redis. The header of its file describes its arguments and its result.
 */
export class Script {
  readonly #name: string;
  readonly #assemble: () => string;
  readonly #known = new WeakSet<Redis>();
  #lua: string | undefined;

  /** @param assemble returns the text; called at the first run, since a command runs few of all scripts. */
  constructor(name: string, assemble: () => string) {
    this.#name = `clawmesh:${name}`;
    this.#assemble = assemble;
  }

  /**
   * Runs the script, by its hash if the server knows it. The script derives all key names from the mesh's prefix
   * (`layout.lua`).
   */
  run(client: Redis, keys: Pick<MeshKeys, 'bullPrefix'>, args: readonly Argument[]): Promise<unknown> {
    if (!this.#known.has(client)) {
      this.#lua ??= this.#assemble();
      client.defineCommand(this.#name, { lua: this.#lua });
      this.#known.add(client);
    }
    const run = (client as unknown as Record<string, Runner>)[this.#name] as Runner;
    return run.call(client, 1, keys.bullPrefix, ...args);
  }
}

/** The script `<folder>/<name>.lua`, where `folder` is relative to the folder of all sources. */
export function script(folder: string, name: string): Script {
  return new Script(name, () => readLua(folder, name));
}

/**
 * The text of a script with each `--- @include <name>` line replaced, once per file, by `<folder>/includes/<name>.lua`
 * or by a shared file.
 */
export function readLua(folder: string, name: string): string {
  const included = new Set<string>();
  const expand = (text: string): string =>
    text.replace(/^--- @include (\S+)$/gm, (_, include: string) => {
      if (included.has(include)) return '';
      included.add(include);
      return expand(textOf(`${folder}/includes/${include}.lua`, `${SHARED}/${include}.lua`));
    });
  return withoutUnusedKeys(expand(textOf(`${folder}/${name}.lua`)));
}
/** The text of the first of these files that exists. */
function textOf(...files: string[]): string {
  for (const file of files) {
    const text = luaFile(file);
    if (text !== undefined) return text;
  }
  throw new Error(`there is no ${files.join(' or ')}`);
}

/** Drops keys from the layout that the script does not use: naming all keys takes Redis longer than most scripts. */
function withoutUnusedKeys(lua: string): string {
  const used = new Set(Array.from(lua.matchAll(/\b(?:mesh|pool|dispatch)\.(\w+)/g), ([, name]) => name));
  return lua.replace(/^ {4}(\w+) = (?:prefix|base) \.\. .*\n/gm, (line, name) => (used.has(name) ? line : ''));
}
