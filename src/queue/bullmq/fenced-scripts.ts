import { createRequire } from 'node:module';
import { z } from 'zod';
import { readLua, Script } from '../../redis/scripts.ts';

const rawScript = z.object({ content: z.string(), keys: z.number() });
const bullScripts = z
  .object({ moveToActive: rawScript, moveToFinished: rawScript, moveToDelayed: rawScript })
  .parse(createRequire(import.meta.url)('bullmq/dist/cjs/scripts/index.js'));

interface Patch {
  readonly from: string;
  readonly to: string;
}

/** Changes to BullMQ's moveToActive; each must fit exactly once, or clawmesh does not start. */
const CLAIM_PATCHES: readonly Patch[] = [
  // The prelude has them as a table; packing and unpacking them took longer than most of what the script does.
  { from: 'local opts = cmsgpack.unpack(ARGV[3])', to: 'local opts = bullOptions' },
];

/** Changes to BullMQ's moveToFinished. */
const FINISH_PATCHES: readonly Patch[] = [
  { from: 'local opts = cmsgpack.unpack(ARGV[8])', to: 'local opts = bullOptions' },
  {
    // BullMQ locks the task it fetches after a completion with the token of the completed one. Every claim of ours has
    // a token of its own (the one in `opts`), so that a zombie's report can never pass for a later claim of the same task.
    from: "local token = opts['token']",
    to: 'local token = ownToken',
  },
  {
    // BullMQ copies the result into its event stream of 10,000 entries; results of 1 MiB would make that 10 GB.
    from: '"jobId", jobId, ARGV[3], ARGV[4], "prev", "active")',
    to: '"jobId", jobId, ARGV[3], ARGV[5] == "completed" and \'""\' or ARGV[4], "prev", "active")',
  },
  // Each call costs a third of a microsecond, a hundredth of the step. Tasks of ours are no parents of BullMQ's flows,
  { from: 'if rcall("SCARD", jobIdKey .. ":dependencies") ~= 0 then', to: 'if false then' },
  { from: 'if rcall("ZCARD", jobIdKey .. ":unsuccessful") ~= 0 then', to: 'if false then' },
  // nobody marks them as stalled,
  { from: 'rcall("SREM", stalledKey, jobId)', to: '' },
  // and of events, of which Redis only drops a hundred at once, a few more may stand until the next trimming.
  {
    from: '    trimEvents(metaKey, eventStreamKey)\n',
    to: '    if tonumber(timestamp) % 32 == 0 then trimEvents(metaKey, eventStreamKey) end\n',
  },
];

/**
 * BullMQ's scripts for claim, completion and retry with a prelude of ours in front, and an epilogue behind those that
 * claim, so that fencing, Redis time, dispatch, sessions and the task's history happen in the same atomic step
 * (docs/adr/0002). bullmq is pinned; a test holds the hash of what is
 * wrapped here, so that an upgrade is looked at.
 */
export const fencedScripts = {
  claim: fenced('claim', withEpilogue(CLAIM_PATCHES.reduce(patchOnce, bullScripts.moveToActive.content))),
  finish: fenced('finish', withEpilogue(FINISH_PATCHES.reduce(patchOnce, bullScripts.moveToFinished.content))),
  retry: fenced('retry', bullScripts.moveToDelayed.content),
};

/** How many of BullMQ's arguments to moveToDelayed are keys; ours go behind them. */
export const retryKeyCount = bullScripts.moveToDelayed.keys;

/** The text of BullMQ's that is wrapped, for the test that pins it. */
export const wrappedText = Object.values(bullScripts)
  .map((script) => script.content)
  .join('\n');

function fenced(prelude: string, bullScript: string): Script {
  return new Script(`${prelude}:fenced`, `${readLua(`${prelude}.prelude`)}\n${bullScript}`);
}

function withEpilogue(bullScript: string): string {
  return `local function bullScript()\n${bullScript}\nend\nlocal reply = bullScript()\n${readLua('claimed.epilogue')}`;
}

function patchOnce(lua: string, patch: Patch): string {
  if (lua.split(patch.from).length !== 2) {
    throw new Error("bullmq's scripts are not those that clawmesh was built for; install the pinned bullmq version");
  }
  return lua.replace(patch.from, patch.to);
}
