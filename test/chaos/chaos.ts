import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Mesh } from '../../src/client/mesh.ts';
import { DISPATCH_STRATEGIES } from '../../src/domain/dispatch.ts';
import type { Handover } from '../../src/domain/handover.ts';
import { newTaskId } from '../../src/domain/ids.ts';
import { isEnded } from '../../src/domain/task-state.ts';
import { HandoverLog } from '../../src/queue/handover-log.ts';
import { checkHistory, type Verdict } from '../model/check-history.ts';
import { type HistoryLine, parseHistory, printHistory } from '../model/history.ts';
import { BUILT, CliProcess, cleanEnv, writeConfig } from '../support/cli.ts';
import { keepEvidence } from '../support/evidence.ts';
import { Ledger, type LedgerLine } from '../support/ledger.ts';
import { Namespace, namespacesPossible } from '../support/namespace.ts';
import { newTask, openTestMesh } from '../support/pool.ts';
import { SpawnedRedis } from '../support/redis.ts';
import { seeded, shuffled } from '../support/seeded.ts';
import { sharedClock } from '../support/shared-clock.ts';
import { runLines, seenOf } from '../support/task-history.ts';
import { drawRun, type Mark, processFigures, type Sample, trends } from './growth.ts';
import { Person } from './person.ts';
import { Recorder } from './recorder.ts';

// Random faults over a running mesh of real processes, and people who cancel, retry and remove tasks meanwhile; then the
// checker, which looks for an order of atomic steps that explains what everybody was told and every run did:
// `npm run chaos -- --minutes 10 --seed 7`. A history that none explains is kept; `--check <file>` checks it again. Memory, open files and Redis' memory are looked at all the time, and must not grow. The same seed gives the same faults in the same order; what they hit is up to the machine. `--fault <name>` has only that
// one, `--every <ms>` that often.
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    strategy: { type: 'string', default: 'least-loaded' },
    fault: { type: 'string' },
    every: { type: 'string' },
    // Tasks kept waiting, so that nodes are hit while they claim and report; with few the strategy has something to decide.
    backlog: { type: 'string', default: '30' },
    // A picture of the run.
    svg: { type: 'string' },
    // Checks the history in this file, and does nothing else.
    check: { type: 'string' },
    // Where to write the history, even if it is explained.
    history: { type: 'string' },
  },
});
if (values.check !== undefined) {
  const verdict = checkHistory(parseHistory(readFileSync(values.check, 'utf8')));
  console.log(verdictOf(verdict));
  tell(verdict.unexplained.map(({ text }) => text));
  process.exit(verdict.unexplained.length === 0 ? 0 : 1);
}
const durationMs = Number(values.minutes) * 60_000;
const random = seeded(Number(values.seed));
const NODES = ['mac-1', 'mac-2', 'mac-3'];
/** Lives from beginning to end, so that what grows in a node has the time to; only Redis' faults reach it. */
const SURVIVOR = 'mac-4';
const LEASE_MS = 1_500;
const backlog = Number(values.backlog);
const SETTLE_MS = 90_000;
const ATTEMPTS = 3;
const MAX_HANDOVERS = 1_000;
/** So much of the handover log is sure to be kept (includes/requeue-task.lua). */
const LOG_ENTRIES = 10_000;
/**
 * Redis, told to fsync every second, may forget up to two seconds of what it has acknowledged when it's killed while an
 * fsync is slow, and what it does in between is not on our clock: a claim, which is made again then with nothing on record,
 * or a task that was just queued. That is Redis' limit, not ours; `redis.durability: replica` is for whom it matters.
 */
const FORGETS_MS = 3_000;
/** Of the tasks that people steer most are young, so that something still happens to them. */
const YOUNG = 60;
/** The one series that is meant to grow. */
const LOAD = 'tasks completed';

const server = await SpawnedRedis.start(['--bind', '0.0.0.0', '--protected-mode', 'no']);
/** Every node has a network of its own, if that is possible. */
const networks = new Map(namespacesPossible ? NODES.map((id, index) => [id, new Namespace(index)]) : []);
const ledger = new Ledger();
const mesh = await openTestMesh(server.url, 'chaos');
const emptyBytes = await redisMemory();
const configs = new Map([...NODES, SURVIVOR].map((id) => [id, writeConfig(configOf(id, values.strategy))]));
const nodes = new Map<string, CliProcess>();
const ids: string[] = [];
const counts = new Map<string, number>();
const samples: Sample[] = [];
const marks: Mark[] = [];
const beganAt = performance.now();
const beganAtWall = Date.now();
const recorder = new Recorder();
recorder.lines.push({
  kind: 'begin',
  version: 1,
  note: `chaos, ${values.minutes} min, seed ${values.seed}`,
  at: sharedClock().earliest,
  forgetsMs: FORGETS_MS,
  maxHandovers: MAX_HANDOVERS,
});
/** From here on no process is started again. */
let over = false;

const faults: Record<string, () => Promise<void>> = {
  'kill -9 of a node': async () => {
    const id = pick(NODES);
    await nodes.get(id)?.kill();
    await sleep(random() * 4_000);
    start(id);
  },
  'kill -9 of two nodes': async () => {
    const [first, second] = shuffled(NODES, random) as [string, string];
    await Promise.all([nodes.get(first)?.kill(), nodes.get(second)?.kill()]);
    await sleep(random() * 3_000);
    start(first);
    start(second);
  },
  'kill -9 of the node that took a task last': async () => {
    const turns = Object.entries(await mesh.redis.hgetall(mesh.keys.turns('default'))).filter(([id]) =>
      NODES.includes(id),
    );
    const id = turns.sort(([, a], [, b]) => Number(b) - Number(a))[0]?.[0] ?? pick(NODES);
    await nodes.get(id)?.kill();
    start(id);
  },
  'change of the strategy on one node': async () => {
    const id = pick(NODES);
    writeFileSync(configs.get(id) ?? '', configOf(id, pick(DISPATCH_STRATEGIES)));
    nodes.get(id)?.signal('SIGHUP');
  },
  'freeze shorter than the lease': () => freeze(pick(NODES), 200 + random() * 700),
  'freeze longer than the lease': () => freeze(pick(NODES), LEASE_MS + 1_000 + random() * 3_000),
  ...(namespacesPossible && {
    'cable pulled for less than the lease': () => pullCable(pick(NODES), 200 + random() * 800),
    'cable pulled for longer than the lease': () => pullCable(pick(NODES), LEASE_MS + 1_000 + random() * 3_000),
  }),
  'SIGTERM of a node': async () => {
    const id = pick(NODES);
    nodes.get(id)?.signal('SIGTERM');
    await nodes.get(id)?.exited;
    start(id);
  },
  'kill -9 of Redis': async () => {
    await sleep(1_100); // what is a second old is on disk
    const { called, answered } = await recorder.timed(async () => {
      process.kill(server.pid, 'SIGSTOP');
      await server.down('SIGKILL');
      await sleep(random() * 3_000);
      await server.up();
    });
    recorder.lines.push({ kind: 'redis-killed', called, answered });
  },
  'freeze of Redis': async () => {
    process.kill(server.pid, 'SIGSTOP');
    await sleep(500 + random() * 4_000);
    process.kill(server.pid, 'SIGCONT');
  },
};

for (const id of [...NODES, SURVIVOR]) start(id);
await Promise.all([...nodes.values()].map((node) => node.waitFor(/node is up/)));
console.log(`chaos: ${values.minutes} min, seed ${values.seed}`);
const endsAt = performance.now() + durationMs;
const people = await Promise.all(['anna', 'ben'].map(openPerson));
const feeder = feed();
const steering = people.map(({ person }) => steer(person));
const sampler = sample();
while (performance.now() < endsAt) {
  const name = values.fault ?? pick(Object.keys(faults));
  counts.set(name, (counts.get(name) ?? 0) + 1);
  marks.push({ at: (performance.now() - beganAt) / 1_000, what: 'fault' });
  await recorder.fault(name, async () => faults[name]?.());
  await sleep(values.every === undefined ? 1_000 + random() * 3_000 : Number(values.every));
}
await feeder;
await sampler;
await Promise.all(steering);
const open = await settle();
const starts = ledger.starts();
recorder.lines.push(...(await finalLooks()), ...runLines(ledger, (run) => recorder.incarnationOf(run)), ...leftOver());
over = true;
for (const node of nodes.values()) await node.kill();
const { result: log, ...logRead } = await recorder.timed(() =>
  new HandoverLog(mesh.redis, mesh.keys, mesh.reader).list({ limit: 100_000 }),
);
for (const { taskId, from, reason } of log.toReversed())
  recorder.lines.push({ kind: 'handover', taskId, from, reason });
recorder.lines.push({ kind: 'log-read', ...logRead });
const verdict = checkHistory(recorder.lines);
const grown = growth(log);
const broken = [...open, ...verdict.unexplained.map(({ text }) => text), ...grown];
if (log.length >= LOG_ENTRIES)
  broken.push(`${log.length} handovers: more than the log keeps; run it for fewer minutes`);
await keepHistory();
for (const { mesh } of people) await mesh.close();
await mesh.close();
await server.stop();
for (const network of networks.values()) network.remove();
report();

function start(id: string): void {
  // It may have been started again by itself meanwhile.
  const current = nodes.get(id)?.child;
  if (current && current.exitCode === null && current.signalCode === null) return;
  const args = ['--config', configs.get(id) ?? '', 'node', 'run'];
  const node = new CliProcess(args, { CLAWMESH_NODE_ID: id }, undefined, [
    ...(networks.get(id)?.prefix ?? []),
    ...BUILT,
  ]);
  nodes.set(id, node);
  recorder.follow(id, node);
  // A node that ends by itself (Redis was away when it started) is started again, as launchd would.
  void node.exited.then(async () => {
    await sleep(1_000);
    if (nodes.get(id) === node && !over) start(id);
  });
}

async function freeze(id: string, ms: number): Promise<void> {
  const node = nodes.get(id);
  node?.signal('SIGSTOP');
  await sleep(ms);
  node?.signal('SIGCONT');
}

async function pullCable(id: string, ms: number): Promise<void> {
  networks.get(id)?.pullCable();
  await sleep(ms);
  networks.get(id)?.plugIn();
}

function configOf(id: string, strategy: string): string {
  const host = networks.get(id)?.host ?? '127.0.0.1';
  return (
    `mesh: chaos\nredis: {url: "redis://${host}:${server.port}"}\nopenclaw: {mode: exec, exec: {bin: "${ledger.bin}"}}\n` +
    'node: {pools: {default: 4}, drainTimeout: 2s}\nhealth: {heartbeatInterval: 500ms, missedHeartbeats: 3}\n' +
    `queue: {attempts: ${ATTEMPTS}, maxHandovers: ${MAX_HANDOVERS}, visibilityTimeout: 30s, backoff: {delay: 300ms}}\n` +
    // The recorder reads who began what when.
    `log: {level: debug}\ndispatch: {strategy: ${strategy}}\n`
  );
}

/** Keeps tasks coming. */
async function feed(): Promise<void> {
  while (performance.now() < endsAt) {
    const waiting = (await mesh.reader.counts(['default'])).get('default')?.waiting ?? 0;
    if (waiting < backlog) {
      const tasks = Array.from({ length: 10 }, () =>
        newTask({ id: newTaskId(), message: drawMessage(), priority: random() < 0.2 ? 1 : 0, attempts: ATTEMPTS }),
      );
      const { called, answered } = await recorder.timed(() => mesh.producer.enqueue(tasks));
      for (const { id: taskId = '' } of tasks) {
        const asked = { kind: 'asked', taskId, by: 'feeder', called, answered } as const;
        recorder.lines.push({ ...asked, what: 'enqueue', attempts: ATTEMPTS, answer: 'queued' });
        ids.push(taskId);
      }
    }
    await sleep(200);
  }
}

/**
 * Most runs end well; some fail at first, or up to the last attempt, and some are refused until they are queued again. Some
 * take so long that a node that was away comes back while another one runs its task.
 */
function drawMessage(): string {
  const seconds = (random() < 0.15 ? 2 + random() * 4 : 0.05 + random() * 0.6).toFixed(2);
  const chance = random();
  if (chance < 0.06) return `fail ${1 + Math.floor(random() * ATTEMPTS)} ${seconds}`;
  return chance < 0.12 ? `refuse 1 ${seconds}` : seconds;
}

async function openPerson(name: string): Promise<{ person: Person; mesh: Mesh }> {
  const mesh = await Mesh.open({ config: configs.get(SURVIVOR) ?? '', env: cleanEnv() });
  return { person: new Person(name, mesh, recorder), mesh };
}

/** An operator who steers tasks now and then, also tasks that another operator is steering at the moment. */
async function steer(person: Person): Promise<void> {
  while (performance.now() < endsAt) {
    const from = random() < 0.8 ? Math.max(0, ids.length - YOUNG) : 0;
    const id = ids[from + Math.floor(random() * (ids.length - from))];
    const chance = random();
    if (id === undefined) await sleep(100);
    else if (chance < 0.3) await person.cancel(id);
    else if (chance < 0.6) await person.retry(id);
    else if (chance < 0.7) await person.remove(id);
    else await person.show(id);
    await sleep(random() * 400);
  }
}

/** Looks at what must not grow, about 240 times per run. */
async function sample(): Promise<void> {
  const every = Math.max(2_000, durationMs / 240);
  while (performance.now() < endsAt) {
    const figuresOf = (id: string) => processFigures(nodes.get(id)?.child.pid ?? 0);
    const figures = NODES.flatMap((id) => figuresOf(id) ?? []);
    const survivor = figuresOf(SURVIVOR);
    const used = await redisMemory().catch(() => undefined);
    const tasks = (await mesh.reader.counts(['default']).catch(() => undefined))?.get('default')?.completed ?? 0;
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    if (figures.length === NODES.length && survivor && used !== undefined && tasks > 0) {
      samples.push({
        at: (performance.now() - beganAt) / 1_000,
        values: {
          'memory of a node that faults hit, MiB': mean(figures.map(({ rss }) => rss)),
          'open files of a node that faults hit': mean(figures.map(({ files }) => files)),
          'memory of one that they do not, MiB': survivor.rss,
          'open files of one that they do not': survivor.files,
          // All tasks are kept, for the checker.
          'Redis memory per task, KiB': (used - emptyBytes) / 1_024 / tasks,
          [LOAD]: tasks,
        },
      });
    }
    await sleep(every);
  }
}

async function redisMemory(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await mesh.redis.info('memory'))?.[1]);
}

/** What has grown though it must not; also draws the picture that was asked for. */
function growth(log: readonly Handover[]): string[] {
  const takeovers = log.flatMap(({ at, takeoverMs }): Mark[] =>
    takeoverMs === null ? [] : [{ at: (Date.parse(at) - beganAtWall) / 1_000, what: 'takeover', ms: takeoverMs }],
  );
  if (values.svg)
    drawRun(values.svg, `${values.minutes} min of chaos, seed ${values.seed}`, samples, [...marks, ...takeovers]);
  row('after the warm-up', 'first', 'last', 'per hour');
  const found = trends(samples).filter(({ series }) => series !== LOAD);
  for (const { series, first, last, perHour } of found) row(series, ...[first, last, perHour].map((n) => n.toFixed(1)));
  console.log();
  // A run of minutes shows noise, not growth.
  return found.filter(({ grows }) => grows && durationMs >= 10 * 60_000).map(({ series }) => `${series}: grows`);
}

/** Waits until everything has ended; answers what has not. */
async function settle(): Promise<string[]> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const tasks = await mesh.reader.list({ limit: ids.length + 100 });
    const open = tasks.filter((task) => !isEnded(task.state)).map(({ id, state }) => `task ${id}: still ${state}`);
    if (open.length === 0 || performance.now() > deadline) return open;
    await sleep(1_000);
  }
}

/** How all tasks stand in the end. */
async function finalLooks(): Promise<HistoryLine[]> {
  const lines: HistoryLine[] = [];
  for (let first = 0; first < ids.length; first += 100) {
    const batch = ids.slice(first, first + 100);
    const { result, ...moment } = await recorder.timed(() => Promise.all(batch.map((id) => mesh.reader.get(id))));
    for (const [index, taskId] of batch.entries()) {
      const task = result[index];
      const asked = { kind: 'asked', taskId, by: 'chaos', ...moment } as const;
      lines.push({ ...asked, what: 'show', answer: task ? seenOf(task) : null });
    }
  }
  return lines;
}

/** Writes the history, and what all processes printed, if that was requested or something is wrong. */
async function keepHistory(): Promise<void> {
  const folder = broken.length > 0 ? await keepEvidence(`chaos seed ${values.seed}`, broken) : undefined;
  for (const file of [values.history, folder && `${folder}/history.jsonl`]) {
    if (!file) continue;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, printHistory(recorder.lines));
    console.log(`the history is in ${file}; npm run chaos -- --check ${file} checks it again\n`);
  }
}

function report(): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  row('fault', 'times');
  for (const [name, count] of counts) row(name, String(count));
  console.log();
  row('asked', 'times', 'no answer');
  const asked = recorder.lines.filter((line) => line.kind === 'asked');
  for (const [what, group] of Map.groupBy(asked, ({ what }) => what))
    row(what, String(group.length), String(group.filter(({ answered }) => answered === null).length));
  console.log();
  row('handovers', 'count', 'takeover p50', 'worst');
  for (const [reason, group] of Map.groupBy(log, (handover) => handover.reason)) {
    const times = group.flatMap(({ takeoverMs }) => takeoverMs ?? []).sort((a, b) => a - b);
    row(reason, String(group.length), `${times[times.length >> 1] ?? '-'} ms`, `${times.at(-1) ?? '-'} ms`);
  }
  console.log();
  const times = starts.map(({ at }) => at).sort((a, b) => a - b);
  const gaps = times.slice(1).map((at, index) => at - (times[index] as number));
  console.log(`longest time without a start: ${Math.max(0, ...gaps)} ms`);
  console.log(
    `${total} faults, ${ids.length} tasks, ${starts.length} starts, ${log.length} handovers, ` +
      `${verdictOf(verdict)}, ${open.length} not ended, ${grown.length} things that grow`,
  );
  tell(broken);
  process.exit(broken.length === 0 ? 0 : 1);
}

function verdictOf({ tasks, unexplained, forgotten }: Verdict): string {
  return `${tasks} histories checked, ${unexplained.length} unexplained, ${forgotten.length} forgotten by a killed Redis`;
}

function tell(problems: readonly string[]): void {
  for (const problem of problems.slice(0, 20)) console.log(`  ${problem.replaceAll('\n', '\n  ')}`);
  if (problems.length > 20) console.log(`  and ${problems.length - 20} more`);
}

function row(name: string, ...cells: readonly string[]): void {
  console.log(`  ${name.padEnd(40)}${cells.map((cell) => cell.padStart(14)).join('')}`);
}

/** Runs whose node is gone or fenced must be gone too, once their daemon could know it. */
function leftOver(): HistoryLine[] {
  const { earliest: called, latest: answered } = sharedClock();
  const left = starts.filter(({ pid, taskId }: LedgerLine) => runsTask(pid, taskId));
  return left.map(({ taskId, run }) => ({ kind: 'left', taskId, run, called, answered }));
}

/** Process ids are used again, so the environment tells whether it is this run. Linux only. */
function runsTask(pid: number, taskId: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`CLAWMESH_TASK_ID=${taskId}`);
  } catch {
    return false;
  }
}

function pick<T>(values: readonly T[]): T {
  return values[Math.floor(random() * values.length)] as T;
}
