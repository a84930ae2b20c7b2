import { beforeEach, describe, expect, it } from 'vitest';
import { TaskImport } from '../../src/queue/task-import.ts';
import { meshPerTest, newTask, type TestMesh } from '../support/pool.ts';

describe('an import of a file of tasks', () => {
  let mesh: TestMesh;
  const current = meshPerTest('i');
  beforeEach(() => {
    mesh = current();
  });

  const file = Array.from({ length: 50 }, (_, n) =>
    newTask({ message: `task ${n}`, key: n % 10 === 0 ? `k${n}` : undefined }),
  );
  const batches = [file.slice(0, 20), file.slice(20, 40), file.slice(40)];
  const begin = () => TaskImport.begin(mesh.redis, mesh.keys, 'digest');
  const enqueue = (tasks: Parameters<typeof mesh.producer.enqueue>[0]) => mesh.producer.enqueue(tasks);
  const waiting = async () => (await mesh.reader.list({ state: 'waiting', limit: 1_000 })).reverse();

  it('queues each task once, in the order of the file, although it is interrupted and repeated', async () => {
    const first = await begin();
    expect(first.resumedAt).toBe(0);
    await first.queue(batches[0] ?? [], enqueue);
    // Killed once Redis has the second batch, before that was noted.
    await expect(
      first.queue(batches[1] ?? [], async (tasks) => {
        await enqueue(tasks);
        throw new Error('killed');
      }),
    ).rejects.toThrow('killed');
    const second = await begin();
    expect(second.resumedAt).toBe(20);
    const answers = [];
    for (const batch of batches) answers.push(...(await second.queue(batch, enqueue)));
    await second.end();
    const tasks = await waiting();
    expect(tasks.map((task) => task.message)).toEqual(file.map((task) => task.message));
    expect(answers.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(50);
  });

  it('queues each task once if two commands import at the same moment, and tells both', async () => {
    const [one, other] = [await begin(), await begin()];
    const ids: string[][] = [];
    for (const batch of batches) {
      for (const running of [one, other]) ids.push((await running.queue(batch, enqueue)).map(({ id }) => id));
    }
    await one.end();
    await other.end();
    expect([one.shared, other.shared]).toEqual([true, true]);
    expect(await waiting()).toHaveLength(50);
    expect(ids.filter((_, index) => index % 2 === 0)).toEqual(ids.filter((_, index) => index % 2 === 1));
    // Neither has left a note by which the next would think that it was interrupted.
    expect((await begin()).resumedAt).toBe(0);
  });

  it('shares an import with one that begins before its end, and with one that ends before it', async () => {
    const one = await begin();
    for (const batch of batches) await one.queue(batch, enqueue);
    const other = await begin();
    await one.end();
    for (const batch of batches) await other.queue(batch, enqueue);
    await other.end();
    expect([one.shared, other.shared]).toEqual([true, true]);
    expect(await waiting()).toHaveLength(50);
    expect((await begin()).resumedAt).toBe(0);
  });

  it('shares no import that resumes an interrupted one', async () => {
    await (await begin()).queue(batches[0] ?? [], enqueue);
    const second = await begin();
    for (const batch of batches) await second.queue(batch, enqueue);
    await second.end();
    expect([second.resumedAt, second.shared]).toEqual([20, false]);
  });

  it('starts a new import after a complete one, which finds only the tasks with a key again', async () => {
    for (let round = 0; round < 2; round++) {
      const whole = await begin();
      expect(whole.resumedAt).toBe(0);
      const answers = [];
      for (const batch of batches) answers.push(...(await whole.queue(batch, enqueue)));
      expect(answers.filter(({ duplicate }) => duplicate)).toHaveLength(round === 0 ? 0 : 5);
      await whole.end();
    }
    expect(await waiting()).toHaveLength(50 + 45);
  });

  it('lists the whole import, however long, if that is requested', async () => {
    const batch = Array.from({ length: 1_000 }, () => newTask());
    for (let n = 0; n < 21; n++) await enqueue(batch);
    expect(await mesh.reader.list({ state: 'waiting', limit: 30_000 })).toHaveLength(21_000);
  });
});
