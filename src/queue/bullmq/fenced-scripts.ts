import { createRequire } from 'node:module';
import { z } from 'zod';
import { readLua, Script } from '../../redis/scripts.ts';

const rawScript = z.object({ content: z.string(), keys: z.number() });
const bullScripts = z
  .object({ moveToActive: rawScript, moveToFinished: rawScript, moveToDelayed: rawScript })
  .parse(createRequire(import.meta.url)('bullmq/dist/cjs/scripts/index.js'));

/**
 * BullMQ locks the task it fetches after a completion with the token of the completed one. Every claim of ours has a
 * token of its own, so that a zombie's report can never pass for a later claim of the same task.
 */
const NEXT_TOKEN_PATCH = {
  from: "local token = opts['token']",
  to: "local token = opts['token']; opts['token'] = ARGV[#ARGV - 4]",
};

/**
 * BullMQ's scripts for claim, completion and retry with a prelude of ours in front, so that fencing, Redis time and the
 * task's history happen in the same atomic step (docs/adr/0002). bullmq is pinned; a test holds the hash of what is
 * wrapped here, so that an upgrade is looked at.
 */
export const fencedScripts = {
  claim: fenced('claim', bullScripts.moveToActive.content),
  finish: fenced('finish', patchOnce(bullScripts.moveToFinished.content)),
  retry: fenced('retry', bullScripts.moveToDelayed.content),
};

/** How many of BullMQ's arguments are keys; ours go behind them. */
export const bullKeyCounts = {
  claim: bullScripts.moveToActive.keys,
  finish: bullScripts.moveToFinished.keys,
  retry: bullScripts.moveToDelayed.keys,
};

/** The text of BullMQ's that is wrapped, for the test that pins it. */
export const wrappedText = Object.values(bullScripts)
  .map((script) => script.content)
  .join('\n');

function fenced(prelude: string, bullScript: string): Script {
  return new Script(`${prelude}:fenced`, `${readLua(`${prelude}.prelude`)}\n${bullScript}`);
}

function patchOnce(lua: string): string {
  if (lua.split(NEXT_TOKEN_PATCH.from).length !== 2) {
    throw new Error("bullmq's moveToFinished is not the one clawmesh was built for; install the pinned bullmq version");
  }
  return lua.replace(NEXT_TOKEN_PATCH.from, NEXT_TOKEN_PATCH.to);
}
