import { readLua, Script } from '../../redis/scripts.ts';
import { bullScript, compact, type Patch, patched } from './bull-scripts.ts';

const addStandardJob = bullScript('addStandardJob-9');
const addPrioritizedJob = bullScript('addPrioritizedJob-9');
const addDelayedJob = bullScript('addDelayedJob-6');

/** BullMQ's callers pack for each job what is the same for most; here they are parameters. */
const PATCHES: readonly Patch[] = [
  { from: 'local args = cmsgpack.unpack(ARGV[1])', to: '' },
  { from: 'local opts = cmsgpack.unpack(ARGV[3])', to: '' },
];

/**
 * Queues many tasks in one step, each by BullMQ's own script for its kind: as a function, with an epilogue of ours that
 * calls it (docs/adr/0002).
 */
export const enqueueScript = new Script(
  'enqueue',
  compact(
    [
      ...Object.entries({ addStandardJob, addPrioritizedJob, addDelayedJob }).map(
        ([name, script]) => `local function ${name}(KEYS, ARGV, args, opts)\n${patched(script, PATCHES)}\nend`,
      ),
      readLua('enqueue.epilogue'),
    ].join('\n'),
  ),
);

/** The text of BullMQ's that is wrapped, for the test that pins it. */
export const wrappedText = [addStandardJob, addPrioritizedJob, addDelayedJob].map(({ content }) => content).join('\n');
