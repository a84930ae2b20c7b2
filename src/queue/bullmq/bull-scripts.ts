import { createRequire } from 'node:module';
import * as z from 'zod';

const require = createRequire(import.meta.url);
const scriptModule = z.record(z.string(), z.object({ content: z.string(), keys: z.number() }));

export interface BullScript {
  /** Lua. */
  readonly content: string;
  /** How many of its arguments are keys. */
  readonly keys: number;
}

/** A change to one of BullMQ's scripts. */
export interface Patch {
  readonly from: string;
  readonly to: string;
}

/**
 * One of BullMQ's Lua scripts, named as its file; without loading the rest of BullMQ. bullmq is pinned, and a test holds the
 * hash of what is wrapped, so that an upgrade is looked at (docs/adr/0002).
 */
export function bullScript(file: string): BullScript {
  const [script] = Object.values(scriptModule.parse(require(`bullmq/dist/cjs/scripts/${file}.js`)));
  if (!script) throw notTheseScripts();
  return script;
}

/** The script's text with all changes, each of which must fit exactly once, or clawmesh does not start. */
export function patched({ content }: BullScript, patches: readonly Patch[]): string {
  return patches.reduce((lua, { from, to }) => {
    if (lua.split(from).length !== 2) throw notTheseScripts();
    return lua.replace(from, () => to);
  }, content);
}

/** The script's text without these functions of it, which nothing calls any more once it has been patched. */
export function without(lua: string, names: readonly string[]): string {
  return names.reduce((text, name) => {
    const definition = new RegExp(`^local function ${name}\\(.*?^end\\n`, 'ms');
    if (!definition.test(text)) throw notTheseScripts();
    return text.replace(definition, '');
  }, lua);
}

/** The script's text without comments and indentation, a third of it: a command that runs it once sends it whole. */
export function compact(lua: string): string {
  return lua
    .replace(/^\s*--\[\[.*?\]\]\s*$/gms, '')
    .replace(/^\s*--.*$/gm, '')
    .replace(/^\s+/gm, '');
}

function notTheseScripts(): Error {
  return new Error("bullmq's scripts are not those that clawmesh was built for; install the pinned bullmq version");
}
