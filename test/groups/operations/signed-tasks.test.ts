import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newTaskId } from '../../../src/domain/ids.ts';
import { runCli, writeConfig } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

/** An attacker can write to Redis, knows how clawmesh and BullMQ store tasks, and lacks the key. */
describe('a mesh with a signing key', () => {
  let mesh: ProcessMesh;
  let queue: Queue;
  const key = (value: string, old = '') =>
    mesh.configWith(`security: {signingKey: "${value}", previousSigningKey: "${old}"}\n`);
  const KEY = 'sign-with-this-and-no-other-key';

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
    mesh.config = key(KEY);
    queue = new Queue('default', {
      connection: { host: '127.0.0.1', port: mesh.server.port },
      prefix: '{clawmesh:m}',
    });
  });
  afterEach(async () => {
    await queue.close();
    await mesh.stop();
  });

  it('runs the tasks that it signed, and none that was forged, altered or copied', async () => {
    const good = await mesh.enqueue('0.1', '--tag', 'a=b');
    const altered = await mesh.enqueue('0.2', '--delay', '1s');
    const job = await queue.getJob(altered);
    expect(job?.data).toMatchObject({ message: '0.2', sig: expect.any(String) });
    await job?.updateData({ ...job.data, message: '0.3' });
    const [forged, copied] = [newTaskId(), newTaskId()];
    const goodData = (await queue.getJob(good))?.data;
    await queue.add('task', { v: 1, message: '0.4', tags: {}, attempts: 1 }, { jobId: forged });
    await queue.add('task', goodData, { jobId: copied });
    const other = mesh.config;
    mesh.config = key('the-key-of-some-other-mesh-here');
    const foreign = await mesh.enqueue('0.5');
    mesh.config = other;

    await mesh.startNode('mac-1');
    await mesh.allEnded();
    expect((await mesh.task(good)).state).toBe('completed');
    for (const [id, why] of [
      [altered, /signature of the task is wrong/],
      [forged, /not signed/],
      [copied, /signature of the task is wrong/],
      [foreign, /signature of the task is wrong/],
    ] as const) {
      expect(await mesh.task(id)).toMatchObject({
        state: 'failed',
        error: { kind: 'invalid', retryable: false, message: expect.stringMatching(why) },
      });
    }
    expect(mesh.ledger.starts().map((line) => line.taskId)).toEqual([good]);
    const { events } = await mesh.json('events');
    expect(events.filter((event: { event: string }) => event.event === 'dead-letter')).toHaveLength(4);
  });

  it('refuses a task copied from another mesh of the same Redis, with its id and pool, under the same key', async () => {
    const elsewhere = writeConfig(
      `mesh: staging\nredis: {url: "${mesh.server.url}"}\nsecurity: {signingKey: "${KEY}"}\n`,
    );
    const id = (await runCli(['--config', elsewhere, 'enqueue', '0.1'])).stdout.trim();
    const redis = new Redis(mesh.server.url);
    const theirs = await redis.hgetall(`{clawmesh:staging}:default:${id}`);
    redis.disconnect();
    expect(JSON.parse(theirs.data ?? '{}')).toMatchObject({ message: '0.1', sig: expect.any(String) });
    await queue.add('task', JSON.parse(theirs.data ?? '{}'), { jobId: id });

    await mesh.startNode('mac-1');
    await mesh.allEnded();
    expect(await mesh.task(id)).toMatchObject({ state: 'failed', error: { kind: 'invalid', retryable: false } });
    expect(mesh.ledger.starts()).toEqual([]);
  });

  it('changes its key without losing a task, and keeps the key to itself', async () => {
    const before = await mesh.enqueue('0.1');
    await mesh.cli('schedule', 'add', 'often', '--every', '1s', '--', '0.1');
    mesh.config = key('the-next-key-of-this-mesh-2027', KEY);
    const after = await mesh.enqueue('0.1');
    const node = await mesh.startNode('mac-1');
    await expect.poll(() => mesh.ledger.starts().length).toBeGreaterThanOrEqual(3);
    for (const id of [before, after]) await mesh.taskState(id, 'completed');
    const shown = await mesh.cli('config', 'show');
    expect(shown.code).toBe(0);
    expect(shown.stdout + node.output).not.toMatch(/the-next-key|sign-with-this/);
    expect((await mesh.tasks()).filter((task) => task.state === 'failed')).toEqual([]);
  });

  it('refuses a key that can be guessed', async () => {
    mesh.config = key('short');
    expect(await mesh.cli('config', 'check')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/security.signingKey: expected at least 16 characters/),
    });
  });
});
