/**
 * `npm run explore -- [--minutes 30] [--world <name>] [--seed 1]`: goes every way through the small worlds of test/explore,
 * the shortest first, and random long ones in turns, each world in a process of its own, as many at once as there are cores. Prints
 * what was seen; ends with 1 if a promise broke.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ExploredRedis } from '../test/explore/explored-redis.ts';
import { type Broken, explore, type Seen, walk } from '../test/explore/explorer.ts';
import { WORLDS } from '../test/explore/worlds.ts';

/** One line of the table. */
interface Row {
  readonly world: string;
  readonly how: string;
  readonly depth: string;
  readonly transitions: number;
  readonly states: number;
  readonly pairs: number;
  readonly possible: number;
  readonly kinds: number;
  readonly ms: number;
  readonly broken: Broken | undefined;
}

interface Task {
  readonly world: string;
  readonly seed: number;
  /** For each of the two ways to explore, ms. */
  readonly shareMs: number;
}

if (isMainThread) await main();
else for (const row of await exploreWorld(workerData as Task)) parentPort?.postMessage(row);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      world: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  });
  const names = WORLDS.map(({ name }) => name);
  const wanted = names.filter((name) => values.world === undefined || name === values.world);
  if (wanted.length === 0) throw new Error(`no world ${values.world}; there are ${names.join(', ')}`);
  const cores = Math.min(availableParallelism(), wanted.length);
  const shareMs = (Number(values.minutes) * 60_000 * cores) / wanted.length / 2;
  const begun = performance.now();
  let transitions = 0;
  console.log(`${'world'.padEnd(15)}how    depth transitions   states    pairs  tried kinds     /s`);
  const next = wanted.values();
  const work = async () => {
    for (const world of next) {
      const task: Task = { world, seed: Number(values.seed), shareMs };
      const worker = new Worker(new URL(import.meta.url), { workerData: task });
      worker.on('message', (row: Row) => {
        transitions += row.transitions;
        show(row);
      });
      await new Promise<void>((resolve, reject) => worker.once('error', reject).once('exit', () => resolve()));
    }
  };
  await Promise.all(Array.from({ length: cores }, work));
  const seconds = (performance.now() - begun) / 1_000;
  console.log(`${transitions} transitions in ${Math.round(seconds)} s, ${Math.round(transitions / seconds)} a second`);
}

async function exploreWorld({ world, seed, shareMs }: Task): Promise<Row[]> {
  const spec = WORLDS.find(({ name }) => name === world);
  if (!spec) throw new Error(`no world ${world}`);
  const redis = await ExploredRedis.start();
  try {
    const begun = performance.now();
    const every = await explore(spec, { redis, goOn: () => performance.now() - begun < shareMs, drainEach: 10 });
    const walking = performance.now();
    const goOn = () => performance.now() - walking < shareMs;
    const random = await walk(spec, { redis, goOn, walks: Number.POSITIVE_INFINITY, length: 60, seed });
    const depth = `${every.depth}${every.whole ? '!' : ''}`;
    const row = (how: string, longest: string, seen: Seen, ms: number): Row => ({
      world,
      how,
      depth: longest,
      transitions: seen.transitions,
      states: seen.states.size,
      pairs: seen.pairs.size,
      possible: seen.possible.size,
      kinds: seen.kinds.size,
      ms,
      broken: seen.broken,
    });
    return [row('every', depth, every.seen, walking - begun), row('random', '60', random, performance.now() - walking)];
  } finally {
    await redis.stop();
  }
}

function show({ world, how, depth, transitions, states, pairs, possible, kinds, ms, broken }: Row): void {
  const numbers = [transitions, states, pairs].map((number) => String(number).padStart(9));
  const tried = `${Math.round((100 * pairs) / Math.max(1, possible))} %`;
  const rate = Math.round(transitions / (ms / 1_000));
  const rest = [tried.padStart(6), String(kinds).padStart(5), String(rate).padStart(6)];
  console.log([world.padEnd(14), how.padEnd(6), depth.padStart(5), ...numbers, ...rest].join(' '));
  if (!broken) return;
  process.exitCode = 1;
  console.log(`  ${broken.promise}\n${broken.steps.map((step) => `    ${step}`).join('\n')}`);
}
