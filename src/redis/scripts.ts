import { existsSync, readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { MeshKeys } from './keys.ts';

type Argument = string | number;
type Runner = (keyCount: number, ...args: Argument[]) => Promise<unknown>;

/** Scripts of all folders may include these: key names, Redis time, the fence. */
const SHARED = new URL('./lua/', import.meta.url);

/** Cache of included files: many scripts include the same file, and every command reads all scripts at its start. */
const texts = new Map<string, string>();

/**
 * A Lua script that runs as one atomic step in Redis. The header of its file describes its arguments and its result.
 */
export class Script {
  readonly #name: string;
  readonly #lua: string;
  readonly #known = new WeakSet<Redis>();

  constructor(name: string, lua: string) {
    this.#name = `clawmesh:${name}`;
    this.#lua = lua;
  }

  /**
   * Runs the script, by its hash if the server knows it. The script derives all key names from the mesh's prefix
   * (`layout.lua`).
   */
  run(client: Redis, keys: Pick<MeshKeys, 'bullPrefix'>, args: readonly Argument[]): Promise<unknown> {
    if (!this.#known.has(client)) {
      client.defineCommand(this.#name, { lua: this.#lua });
      this.#known.add(client);
    }
    const run = (client as unknown as Record<string, Runner>)[this.#name] as Runner;
    return run.call(client, 1, keys.bullPrefix, ...args);
  }
}

/** The script `<folder>/<name>.lua`. */
export function readScript(folder: URL, name: string): Script {
  return new Script(name, readLua(folder, name));
}

/**
 * The text of a script with each `--- @include <name>` line replaced, once per file, by `<folder>/includes/<name>.lua`
 * or by a shared file.
 */
export function readLua(folder: URL, name: string): string {
  const included = new Set<string>();
  const expand = (text: string): string =>
    text.replace(/^--- @include (\S+)$/gm, (_, include: string) => {
      if (included.has(include)) return '';
      included.add(include);
      return expand(includedText(folder, include));
    });
  return withoutUnusedKeys(expand(readFileSync(new URL(`${name}.lua`, folder), 'utf8')));
}

function includedText(folder: URL, name: string): string {
  const known = texts.get(folder.href + name);
  if (known !== undefined) return known;
  const own = new URL(`includes/${name}.lua`, folder);
  const text = readFileSync(existsSync(own) ? own : new URL(`${name}.lua`, SHARED), 'utf8');
  texts.set(folder.href + name, text);
  return text;
}

/** Drops keys from the layout that the script does not use: naming all keys takes Redis longer than most scripts. */
function withoutUnusedKeys(lua: string): string {
  const used = new Set(Array.from(lua.matchAll(/\b(?:mesh|pool|dispatch)\.(\w+)/g), ([, name]) => name));
  return lua.replace(/^ {4}(\w+) = (?:prefix|base) \.\. .*\n/gm, (line, name) => (used.has(name) ? line : ''));
}
