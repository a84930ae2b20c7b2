import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Bed } from './bed.ts';
import { type Figures, line, machine, measure } from './harness.ts';
import { enqueueRows } from './rows/enqueue.ts';
import { idleRows } from './rows/idle.ts';
import { takeoverRows } from './rows/takeover.ts';
import { throughputRows } from './rows/throughput.ts';

// Everything that clawmesh claims about speed, as ratios to what people would use instead: same Redis, same run, in turns.
// Build first. One table, and a file with the figures, the machine and the versions.
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** Per round of a throughput row: in the first 10,000 or so everything is still being compiled. */
    tasks: { type: 'string', default: '20000' },
    /** Only rows whose name has this in it. */
    only: { type: 'string', default: '' },
    out: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
});
const tasks = Number(values.tasks);
const bed = await Bed.start();
const figures: Figures[] = [];
try {
  const rows = [...throughputRows(bed, tasks), ...enqueueRows(bed, tasks * 2), ...idleRows(bed), ...takeoverRows(bed)];
  const [, redis] = /redis_version:(\S+)/.exec(await bed.redis.info('server')) ?? [];
  const about = { date: new Date().toISOString(), redis, ...machine() };
  console.log(Object.values(about).join(' · '));
  console.log(
    'figures are medians; × is clawmesh to the other, (lowest–highest) over the rounds of this run, [rounds]\n',
  );
  for (const row of rows.filter(({ name }) => name.includes(values.only))) {
    const measured = await measure(row, Number(values.rounds));
    figures.push(measured);
    console.log(line(row, measured));
  }
  mkdirSync(values.out, { recursive: true });
  const file = join(values.out, `${about.date.slice(0, 19).replaceAll(':', '')}.json`);
  writeFileSync(file, `${JSON.stringify({ ...about, rows: figures }, null, 2)}\n`);
  console.log(`\n${file}`);
} finally {
  await bed.stop();
}
