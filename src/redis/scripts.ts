import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

type Argument = string | number | Buffer;
type Runner = (keyCount: number, ...args: Argument[]) => Promise<unknown>;

/** A Lua script that runs as one atomic step in Redis. What it takes and answers stands in the header of its file. */
export class Script {
  readonly #name: string;
  readonly #lua: string;
  readonly #known = new WeakSet<Redis>();

  constructor(name: string, lua: string) {
    this.#name = `clawmesh:${name}`;
    this.#lua = lua;
  }

  /** Runs the script, by its hash where the server knows it. */
  run(client: Redis, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    if (!this.#known.has(client)) {
      client.defineCommand(this.#name, { lua: this.#lua });
      this.#known.add(client);
    }
    const run = (client as unknown as Record<string, Runner>)[this.#name] as Runner;
    return run.call(client, keys.length, ...keys, ...args);
  }
}

/** The text of `lua/<name>.lua` with its `--- @include <name>` lines replaced by the included files, each once. */
export function readLua(name: string): string {
  const included = new Set<string>();
  const expand = (file: string): string =>
    readFileSync(new URL(`./lua/${file}.lua`, import.meta.url), 'utf8').replace(
      /^--- @include (\S+)$/gm,
      (_, include: string) => {
        if (included.has(include)) return '';
        included.add(include);
        return expand(`includes/${include}`);
      },
    );
  return expand(name);
}

function script(name: string): Script {
  return new Script(name, readLua(name));
}

export const scripts = {
  registerNode: script('register-node'),
  beatNode: script('beat-node'),
  renewClaims: script('renew-claims'),
  handBack: script('hand-back'),
  requeueClaims: script('requeue-claims'),
  adoptClaims: script('adopt-claims'),
  ownClaims: script('own-claims'),
  holdTask: script('hold-task'),
  claimHeld: script('claim-held'),
  admitClaim: script('admit-claim'),
  passOn: script('pass-on'),
  releaseHeld: script('release-held'),
  circuitReport: script('circuit-report'),
  closeCircuit: script('close-circuit'),
  cancelTask: script('cancel-task'),
  retryTask: script('retry-task'),
  removeTask: script('remove-task'),
  acknowledgeTask: script('acknowledge-task'),
  removeExpired: script('remove-expired'),
  sweepNodes: script('sweep-nodes'),
  lookAround: script('look-around'),
  evictNode: script('evict-node'),
  appendLog: script('append-log'),
  forgetNode: script('forget-node'),
  forgetNodes: script('forget-nodes'),
  forgetPool: script('forget-pool'),
  forgetCircuits: script('forget-circuits'),
  pruneHeld: script('prune-held'),
  dropSchedule: script('drop-schedule'),
  removeUnbegun: script('remove-unbegun'),
};
