/**
 * `npm run explore -- [--minutes 30] [--world <name>] [--seed 1]`: goes every way through the small worlds of test/explore,
 * the shortest first, and random long ones in turns. Prints what was seen; ends with 1 where a promise broke.
 */
import { parseArgs } from 'node:util';
import { explore, walk } from '../test/explore/explorer.ts';
import { WORLDS } from '../test/explore/worlds.ts';
import { startRedis } from '../test/support/test-redis.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    world: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const worlds = WORLDS.filter(({ name }) => values.world === undefined || name === values.world);
if (worlds.length === 0)
  throw new Error(`no world ${values.world}; there are ${WORLDS.map(({ name }) => name).join(', ')}`);
const shareMs = (Number(values.minutes) * 60_000) / worlds.length / 2;
const server = await startRedis();
const all = { transitions: 0, ms: 0 };
try {
  console.log('world          how     transitions   states  depth  kinds  /s');
  for (const spec of worlds) {
    const begun = performance.now();
    const until = () => performance.now() - begun < shareMs;
    const every = await explore(spec, { url: server.url, goOn: until, drainEach: 10 });
    show(spec.name, 'every', every, performance.now() - begun, `${every.depth}${every.whole ? ' (all)' : ''}`);
    const walking = performance.now();
    const goOn = () => performance.now() - walking < shareMs;
    const random = await walk(spec, { url: server.url, goOn, walks: 1_000_000, length: 60, seed: Number(values.seed) });
    show(spec.name, 'random', random, performance.now() - walking, '60');
    for (const { broken } of [every, random]) {
      if (!broken) continue;
      process.exitCode = 1;
      console.log(`  ${broken.promise}\n${broken.steps.map((step) => `    ${step}`).join('\n')}`);
    }
  }
  console.log(`${all.transitions} transitions, ${Math.round((all.transitions / all.ms) * 1_000)} a second`);
} finally {
  await server.stop();
}

function show(
  name: string,
  how: string,
  seen: { transitions: number; states: number; kinds: ReadonlySet<string> },
  ms: number,
  depth: string,
): void {
  all.transitions += seen.transitions;
  all.ms += ms;
  const { transitions, states, kinds } = seen;
  const cells = [name.padEnd(14), how.padEnd(6), String(transitions).padStart(12), String(states).padStart(8)];
  console.log(
    [...cells, depth.padStart(6), String(kinds.size).padStart(6), Math.round(transitions / (ms / 1_000))].join(' '),
  );
}
