import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Task } from '../../src/domain/task.ts';
import { CliProcess, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { ProcessMesh } from '../support/process-mesh.ts';
import { isRunning } from '../support/processes.ts';
import { SpawnedRedis } from '../support/redis.ts';

describe('tasks that run as processes', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
  });
  afterEach(() => mesh.stop());

  it('cancels 50 running tasks: all their processes end, and none is handed over', async () => {
    mesh.config = mesh.configWith('node: {pools: {default: 25}}\n');
    await mesh.startNodes('mac-1', 'mac-2');
    const ids = await mesh.enqueueLines(Array.from({ length: 50 }, () => ({ message: 'hold' })));
    await mesh.starts(50);
    const pids = mesh.ledger.starts().map((line) => line.pid);
    expect(pids.filter(isRunning)).toHaveLength(50);
    expect((await mesh.cli('task', 'cancel', ...ids)).code).toBe(0);
    await expect.poll(() => pids.filter(isRunning)).toEqual([]);
    // The processes have ended before their node reports that.
    await expect
      .poll(async () => (await mesh.tasks()).map(({ state }) => state))
      .toEqual(Array<string>(50).fill('cancelled'));
    const tasks = await mesh.tasks();
    expect(tasks[0]?.error).toMatchObject({ kind: 'cancelled', retryable: false });
    expect(mesh.ledger.ends()).toEqual([]);
    expect(await mesh.handovers()).toEqual([]);
    const again = await mesh.cli('task', 'cancel', ids[0] as string);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('has already ended') });
    const { pools, problems } = await mesh.json('status');
    expect(pools.default).toMatchObject({ cancelled: 50, failed: 0 });
    expect(problems).toEqual([]);
  });

  it('removes ended tasks of a pool that no node serves, although a schedule cannot be mended', async () => {
    mesh.config = mesh.configWith('queue: {retention: {completed: 1s, failed: 1s}}\n');
    const { redis, keys } = await mesh.store();
    await mesh.queueOne('x', { pool: 'nobodys', attempts: 1, key: 'k' });
    const [task] = await mesh.tasks();
    await mesh.cli('task', 'cancel', task?.id ?? '');
    await redis.hset(keys.schedules, 'broken', '{"v":2}');
    await mesh.startNode('mac-1');
    await expect.poll(() => mesh.tasks()).toEqual([]);
    expect(await redis.exists(keys.idempotency('k'))).toBe(0);
    const { problems } = await mesh.json('status');
    expect(problems[0].what).toMatch(/^schedule broken enqueues no tasks/);
    expect((await mesh.cli('doctor')).stdout).toContain('schedule broken enqueues no tasks');
  });

  it('cancels a task whose node died, so that it does not run again', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.enqueue('hold');
    await mesh.starts(1);
    mesh.freeze('mac-1');
    const { stdout } = await mesh.cli('task', 'cancel', id);
    expect(stdout).toMatch(/will end as soon as/);
    await mesh.startNode('mac-2');
    await mesh.lapse('mac-1');
    await mesh.taskState(id, 'cancelled');
    expect(mesh.ledger.starts(id)).toHaveLength(1);
  });

  it('stops a run without a sign of life, and tries again', async () => {
    await mesh.startNode('mac-1');
    const id = await mesh.enqueue('hold', '--idle-timeout', '1s', '--attempts', '2', '--backoff', '100ms');
    await mesh.taskState(id, 'failed');
    const task = await mesh.task(id);
    expect(task).toMatchObject({
      attempts: { made: 2, max: 2 },
      error: { kind: 'timeout', message: 'no sign of life for 1.0s' },
    });
    expect(task.history.map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'retry', 'claimed', 'failed']);
    expect(task.history[2]?.reason).toBe('timeout: no sign of life for 1.0s');
  });
});

describe('simulated tasks', () => {
  let mesh: ProcessMesh;

  beforeAll(async () => {
    mesh = await ProcessMesh.start({
      openclaw: 'mode: simulate',
      config: 'queue: {backoff: {delay: 100ms}, attempts: 2}\n',
    });
    await mesh.startNodes('mac-1', 'mac-2');
  });
  afterAll(() => mesh.stop());

  const cli = (...args: string[]) => mesh.cli(...args);
  const json = (...args: string[]) => mesh.json(...args);
  const enqueue = (...args: string[]) => mesh.enqueue(...args);
  const show = (id: string) => mesh.task(id);
  const state = (id: string, wanted: Task['state']) => mesh.taskState(id, wanted);
  const UNKNOWN = '01m80000000000000000000000';

  it('retries failed tasks by id, by kind and by time', async () => {
    // Not `auth`, after which both nodes rest for a minute.
    const two = await enqueue('fail crash', '--attempts', '1');
    const [one, three] = [await enqueue('fail invalid'), await enqueue('hello')];
    await state(two, 'failed');
    await state(one, 'failed');
    await state(three, 'completed');
    const mixed = await cli('task', 'retry', one, three, UNKNOWN);
    expect(mixed.code).toBe(4);
    expect(mixed.stdout).toBe(`${one}  queued again\n`);
    expect(mixed.stderr).toContain(`task ${three} has completed`);
    expect(mixed.stderr).toContain(`no task ${UNKNOWN}`);
    await state(one, 'failed');
    expect((await show(one)).history.map(({ event }) => event)).toEqual([
      'enqueued',
      'claimed',
      'failed',
      'retry',
      'claimed',
      'failed',
    ]);
    expect((await json('task', 'retry', '--all-failed', '--kind', 'crash')).tasks).toMatchObject([{ id: two }]);
    await state(two, 'failed');
    expect((await json('task', 'retry', '--all-failed', '--since', '1h')).tasks).toHaveLength(2);
    await expect.poll(async () => (await json('task', 'list', '--state', 'failed')).tasks.length).toBe(2);
    const removed = await cli('task', 'remove', one, two);
    expect(removed).toMatchObject({ code: 0, stdout: `${one}  removed\n${two}  removed\n` });
    expect((await cli('task', 'show', one)).code).toBe(4);
    expect((await cli('task', 'retry', '--all-failed')).stderr).toContain('no matching failed tasks');
  });

  it('runs one task after another, with the answer of the first in the message of the second', async () => {
    // Nothing starts before all three are there.
    await cli('pool', 'pause', 'default');
    const first = await enqueue('hello');
    const second = await enqueue(`it said: {{result:${first}}}`);
    const third = await enqueue('last', '--after', first, second);
    expect(await show(third)).toMatchObject({ state: 'waiting', heldBy: 'after' });
    await cli('pool', 'resume', 'default');
    expect((await cli('task', 'wait', third)).code).toBe(0);
    expect((await show(second)).result?.text).toBe('it said: hello');
    const [a, b, c] = await Promise.all([show(first), show(second), show(third)]);
    expect(Date.parse(b.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(a.finishedAt ?? ''));
    expect(Date.parse(c.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(b.finishedAt ?? ''));
  });

  it('fails a task that comes after a failed one, with the reason', async () => {
    const first = await enqueue('sleep 1m');
    const second = await enqueue('never', '--after', first);
    await cli('task', 'cancel', first);
    await state(second, 'failed');
    expect((await show(second)).error?.message).toBe(`it waits for task ${first}, which failed or was cancelled`);
    const late = await cli('enqueue', 'x', '--after', first);
    expect(late).toMatchObject({ code: 2, stderr: expect.stringContaining('is cancelled, so a task after it') });
    const quoting = await cli('enqueue', `{{result:${second}}}`);
    expect(quoting).toMatchObject({ code: 2, stderr: expect.stringContaining('is failed, so a task after it') });
  });

  it('runs a schedule, lists it, pauses it and removes it', async () => {
    expect((await cli('schedule', 'add', 'often', '--every', '1s', '--tag', 'by=often', '--', 'look')).code).toBe(0);
    await cli('schedule', 'add', 'daily', '--cron', '0 7 * * *', '--tz', 'Europe/Berlin', 'summarize');
    await expect
      .poll(async () => (await json('task', 'list', '--tag', 'by=often', '--state', 'completed')).tasks.length)
      .toBeGreaterThanOrEqual(3);
    const { schedules } = await json('schedule', 'list');
    expect(schedules).toMatchObject([
      { name: 'daily', cron: '0 7 * * *', timezone: 'Europe/Berlin', paused: false, nextRunAt: expect.any(String) },
      { name: 'often', everyMs: 1_000 },
    ]);
    await cli('schedule', 'pause', 'often');
    // What was due has run; nothing more is queued, or stands ready to be.
    const open = async () => (await mesh.tasks()).filter((task) => task.tags.by === 'often' && !task.finishedAt);
    await expect.poll(open).toEqual([]);
    expect((await json('schedule', 'list')).schedules).toContainEqual(
      expect.objectContaining({ name: 'often', paused: true, nextRunAt: null }),
    );
    await cli('schedule', 'remove', 'often');
    await cli('schedule', 'remove', 'daily');
    expect((await cli('schedule', 'list')).stderr).toContain('no schedules');
  });

  it.each([
    ['a bad cron line', ['schedule', 'add', 'x', '--cron', 'every day', 'm'], 2, 'is not a valid cron line'],
    [
      'a bad time zone',
      ['schedule', 'add', 'x', '--cron', '0 7 * * *', '--tz', 'Moon', 'm'],
      2,
      'unknown time zone "Moon"',
    ],
    ['a schedule without times', ['schedule', 'add', 'x', 'm'], 2, 'no times given'],
    [
      'a schedule of a bad name',
      ['schedule', 'add', 'Every Day', '--every', '1h', 'm'],
      2,
      'is not a valid name for a schedule',
    ],
    ['a schedule that is not there', ['schedule', 'remove', 'nope'], 4, 'no schedule nope'],
    ['an unknown task to come after', ['enqueue', 'x', '--after', UNKNOWN], 4, `no task ${UNKNOWN}`],
    ['no id to come after', ['enqueue', 'x', '--after', 'yesterday'], 4, 'no task yesterday'],
    ['a result of no id', ['enqueue', '{{result:nope}}'], 4, 'no task nope'],
    [
      'a delay and something to come after',
      ['enqueue', 'x', '--delay', '5s', '--after', UNKNOWN],
      2,
      'cannot be combined',
    ],
    ['nothing to retry', ['task', 'retry'], 2, 'nothing to retry'],
    ['ids and all failed', ['task', 'retry', UNKNOWN, '--all-failed'], 2, "can't be combined"],
    ['a kind for ids', ['task', 'retry', UNKNOWN, '--kind', 'auth'], 2, "can't be combined"],
    ['an unknown task to cancel', ['task', 'cancel', UNKNOWN], 4, `no task ${UNKNOWN}`],
  ])('refuses %s with one line', async (_name, args, code, text) => {
    const result = await cli(...args);
    expect(result.stderr).toContain(text);
    expect(result.code).toBe(code);
  });

  it('refuses a file in which two lines have the same key, and queues nothing', async () => {
    const input = '{"message":"a","key":"k"}\n\n{"message":"b"}\n{"message":"c","key":"k"}\n';
    const { code, stderr } = await runCli(['--config', mesh.config, 'enqueue', '--from', '-'], { input });
    expect(stderr).toContain('standard input:4: key: "k" is already used on line 1');
    expect(code).toBe(2);
    expect((await json('task', 'list', '--limit', '1000')).tasks.filter((task: Task) => task.key === 'k')).toEqual([]);
  });
});

describe('output of a run', () => {
  it('shows log, error and result of a task without the secrets in them', async () => {
    const server = await SpawnedRedis.start(['--requirepass', 'redis-passw0rd']);
    const bin = join(emptyFolder(), 'openclaw');
    writeFileSync(
      bin,
      `#!/bin/sh
[ "$1" = --version ] && { echo "OpenClaw 2026.9.6"; exit 0; }
[ "$(cat)" = answer ] && {
  echo '{"ok":true,"final":"it is redis-passw0rd, and sk-abcdefghijklmnop123; set password: changeme in config.yaml"}'
  exit 0
}
echo "key sk-abcdefghijklmnop123 and redis-passw0rd" >&2
echo "Authorization: Bearer abcdefghijklmnopqrstuvwxyz" >&2
echo '{"ok":false,"error":{"message":"HTTP 400 for token=supersecretvalue","kind":"exception"}}'
exit 1
`,
    );
    chmodSync(bin, 0o755);
    const config = writeConfig(
      `mesh: s\nredis: {url: "${server.url}", password: redis-passw0rd}\nopenclaw: {mode: exec, exec: {bin: "${bin}"}}\n`,
    );
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: 'mac-1' });
    try {
      await node.waitFor(/node is up/);
      const id = (await runCli(['--config', config, 'enqueue', 'x'])).stdout.trim();
      await node.waitFor(/task failed/);
      const { stdout } = await runCli(['--config', config, 'task', 'logs', id]);
      expect(stdout.split('\n').map((line) => line.slice(25))).toEqual([
        'key ******** and ********',
        'Authorization: Bearer ********',
        '',
      ]);
      const { stdout: task } = await runCli(['--config', config, 'task', 'show', id, '--json']);
      expect(JSON.parse(task).error.message).toBe('HTTP 400 for token=********');
      const answered = (await runCli(['--config', config, 'enqueue', 'answer', '--wait', '--json'])).stdout;
      // An answer is the agent's work: text that only follows a word such as "password" stays in it.
      expect(JSON.parse(answered).tasks[0].result.text).toBe(
        'it is ********, and ********; set password: changeme in config.yaml',
      );
      // All that was ever written to Redis.
      const log = join(server.folder, 'appendonlydir');
      const written = readdirSync(log).map((file) => readFileSync(join(log, file), 'utf8'));
      expect(written.join('')).toContain('set password: changeme');
      expect(written.join('')).not.toMatch(/redis-passw0rd|supersecretvalue|sk-abc/);
      expect(node.output + task + answered).not.toMatch(/redis-passw0rd|supersecretvalue|sk-abc/);
    } finally {
      await node.kill();
      await server.stop();
    }
  });
});
