import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { taskError } from '../../src/domain/task.ts';
import { claimNext, newTask, openTestMesh, type TestMesh } from '../support/pool.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('a request that is sent again because its reply was lost', () => {
  let server: TestRedis;
  let proxy: RedisProxy;
  let mesh: TestMesh;
  /** The same mesh, through the proxy. */
  let behind: TestMesh;
  let count = 0;

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    proxy = await RedisProxy.start(Number(new URL(server.url).port));
    mesh = await openTestMesh(server.url, `resent${count}`);
    behind = await openTestMesh(proxy.url, `resent${count++}`);
  });
  afterEach(async () => {
    await behind.close();
    await mesh.close();
    await proxy.stop();
  });

  const enqueue = async (message: string, more: Parameters<typeof newTask>[0] = {}) => {
    const [task] = await mesh.producer.enqueue([newTask({ message, ...more })]);
    return task?.id ?? '';
  };
  const lockOf = (id: string) => mesh.redis.get(`${mesh.keys.task('default', id)}:lock`);
  const cutAnswerWith = (message: string) => proxy.once('onReply', new RegExp(`"${message}"`), () => 'cut');

  it('gives each of the two tasks that it claims its own token', async () => {
    const [first, second] = [await enqueue('the first'), await enqueue('the second')];
    const node = await behind.node('mac-1');
    const cut = cutAnswerWith('the first');
    const claim = await claimNext(node);
    await cut;
    const recovered = await node.recover();
    expect(claim.taskId).toBe(second);
    expect(recovered.map(({ taskId }) => taskId)).toEqual([first]);
    expect(recovered[0]?.token).not.toBe(claim.token);
    expect([await lockOf(first), await lockOf(second)]).toEqual([recovered[0]?.token, claim.token]);
  });

  it('leaves a later claim of the same task alone when the earlier report is repeated', async () => {
    const id = await enqueue('twice', { attempts: 2, backoffMs: 0 });
    const node = await mesh.node('mac-1');
    const failed = { ok: false, error: taskError('crash', 'simulated') } as const;
    const first = await claimNext(node);
    await node.report(first, failed);
    const second = await claimNext(node);
    expect([first.taskId, second.taskId]).toEqual([id, id]);
    await expect(node.report(first, failed)).rejects.toMatchObject({ code: 'claim-lost' });
    await node.release(first, 'drain');
    // Recovering it would run it a second time beside the run that is under way.
    expect(await node.recover()).toEqual([]);
    expect(await lockOf(id)).toBe(second.token);
  });

  it('gives each of the two held tasks that it claims its own token', async () => {
    const [first, second] = [
      await enqueue('the first', { node: 'mac-1' }),
      await enqueue('the second', { node: 'mac-1' }),
    ];
    const other = await mesh.node('mac-2');
    // Both are for another node, so this one holds them back.
    for (let i = 0; i < 2; i++) expect(await other.claim()).toBeUndefined();
    const node = await behind.node('mac-1');
    const cut = cutAnswerWith('the first');
    let claim = await node.claimHeld('node:mac-1');
    await cut;
    claim ??= await node.claimHeld('node:mac-1');
    const recovered = await node.recover();
    expect([claim?.taskId, ...recovered.map(({ taskId }) => taskId)]).toEqual([second, first]);
    expect(recovered[0]?.token).not.toBe(claim?.token);
  });

  it('adopts the tasks of the earlier incarnation, each with its own token', async () => {
    const [first, second] = [await enqueue('the first'), await enqueue('the second')];
    const former = await mesh.node('mac-1');
    await claimNext(former);
    const node = await behind.node('mac-1');
    const cut = cutAnswerWith('the first');
    const adopted = await node.adopt('all');
    await cut;
    const claim = await claimNext(node);
    expect([adopted.map(({ taskId }) => taskId), claim.taskId]).toEqual([[first], second]);
    expect(adopted[0]?.token).not.toBe(claim.token);
    expect(await lockOf(first)).toBe(adopted[0]?.token);
  });
});
