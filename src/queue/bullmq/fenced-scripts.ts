import { readLua, Script } from '../../redis/scripts.ts';
import { bullScript, type Patch, patched, without } from './bull-scripts.ts';

const moveToActive = bullScript('moveToActive-11');
const moveToFinished = bullScript('moveToFinished-14');
const moveToDelayed = bullScript('moveToDelayed-11');

/**
 * BullMQ serves jobs with a priority after all that have none, so that 1 is later than nothing. Here tasks without one are the
 * lowest class: what people expect of a priority. Only the order of claims differs; all stand where BullMQ puts them.
 */
function priorityFirst(prioritizedKey: string, counterKey: string): Patch {
  const from = 'local jobId = rcall("RPOPLPUSH", waitKey, activeKey)';
  const prioritized = `moveJobFromPrioritizedToActive(${prioritizedKey}, activeKey, ${counterKey})`;
  const waiting = 'rcall("RPOPLPUSH", waitKey, activeKey)';
  return { from, to: `local jobId = rcall("ZCARD", ${prioritizedKey}) > 0 and ${prioritized} or ${waiting}` };
}

/** Changes to BullMQ's moveToActive. */
const CLAIM_PATCHES: readonly Patch[] = [
  // The prelude has them as a table; packing and unpacking them took longer than most of what the script does.
  { from: 'local opts = cmsgpack.unpack(ARGV[3])', to: 'local opts = bullOptions' },
  priorityFirst('KEYS[3]', 'KEYS[10]'),
];

/** Changes to BullMQ's moveToFinished. */
const FINISH_PATCHES: readonly Patch[] = [
  { from: 'local opts = cmsgpack.unpack(ARGV[8])', to: 'local opts = bullOptions' },
  priorityFirst('prioritizedKey', 'pcKey'),
  {
    // BullMQ locks the task it fetches after a completion with the token of the completed one. Every claim of ours has
    // a token of its own (the one in `opts`), so that a zombie's report can never pass for a later claim of the same task.
    from: "local token = opts['token']",
    to: 'local token = ownToken',
  },
  {
    // BullMQ copies the result into its event stream of 10,000 entries; results of 1 MiB would make that 10 GB. What a
    // program that waits with waitUntilFinished() gets there is at most 1 KB; it reads a longer one from the job.
    from: '"jobId", jobId, ARGV[3], ARGV[4], "prev", "active")',
    to: '"jobId", jobId, ARGV[3], ARGV[5] == "completed" and #ARGV[4] > 1024 and \'""\' or ARGV[4], "prev", "active")',
  },
  // Each call costs a third of a microsecond, a hundredth of the step. Tasks of ours are no parents of BullMQ's flows,
  { from: 'if rcall("SCARD", jobIdKey .. ":dependencies") ~= 0 then', to: 'if false then' },
  { from: 'if rcall("ZCARD", jobIdKey .. ":unsuccessful") ~= 0 then', to: 'if false then' },
  // nor have they parents, and their ids for BullMQ's deduplication are freed in the epilogue,
  {
    from: 'local jobAttributes = rcall("HMGET", jobIdKey, "parentKey", "parent", "deid")',
    to: 'local jobAttributes = {}',
  },
  { from: 'removeDeduplicationKeyIfNeededOnFinalization(prefix, jobAttributes[3], jobId)\n', to: '' },
  // nobody marks them as stalled,
  { from: 'rcall("SREM", stalledKey, jobId)', to: '' },
  // and of events, of which Redis only drops a hundred at once, a few more may stand until the next trimming.
  {
    from: '    trimEvents(metaKey, eventStreamKey)\n',
    to: '    if tonumber(timestamp) % 32 == 0 then trimEvents(metaKey, eventStreamKey) end\n',
  },
];

/**
 * Of moveToFinished, what is for parents, deduplication, metrics and a number of jobs to keep. Redis makes all functions of a
 * script anew each time it runs.
 */
const FINISH_UNUSED = [
  'collectMetrics',
  'isQueuePausedOrMaxed',
  'moveParentToWait',
  'moveParentToWaitIfNeeded',
  'moveParentToWaitIfNoPendingDependencies',
  'removeDeduplicationKeyIfNeededOnFinalization',
  'removeJobKeys',
  'removeDeduplicationKeyIfNeededOnRemoval',
  '_moveParentToWait',
  'removeParentDependencyKey',
  'removeJob',
  'removeJobsByMaxAge',
  'removeJobsByMaxCount',
  'setDeduplicationKey',
  'getDelayedScore',
  'addDelayedJob',
  'storeJob',
  'storeAndEnqueueJob',
  'requeueDeduplicatedJob',
  'updateParentDepsIfNeeded',
];

/**
 * BullMQ's scripts for claim, completion and retry with a prelude of ours in front, and an epilogue behind those that
 * claim or end a task, so that fencing, Redis time, dispatch, sessions, sums and the task's history happen in the same atomic step
 * (docs/adr/0002).
 */
export const fencedScripts = {
  claim: fenced('claim', withEpilogues(patched(moveToActive, CLAIM_PATCHES), 'claimed')),
  finish: fenced(
    'finish',
    withEpilogues(without(patched(moveToFinished, FINISH_PATCHES), FINISH_UNUSED), 'finished', 'claimed'),
  ),
  retry: fenced('retry', moveToDelayed.content),
};

/** How many of BullMQ's arguments to moveToDelayed are keys; ours go behind them. */
export const retryKeyCount = moveToDelayed.keys;

/** The text of BullMQ's that is wrapped, for the test that pins it. */
export const wrappedText = [moveToActive, moveToFinished, moveToDelayed].map(({ content }) => content).join('\n');

function fenced(prelude: string, bullScript: string): Script {
  return new Script(`${prelude}:fenced`, `${readLua(`${prelude}.prelude`)}\n${bullScript}`);
}

function withEpilogues(bullScript: string, ...epilogues: string[]): string {
  const behind = epilogues.map((name) => readLua(`${name}.epilogue`)).join('\n');
  return `local function bullScript()\n${bullScript}\nend\nlocal reply = bullScript()\n${behind}`;
}
