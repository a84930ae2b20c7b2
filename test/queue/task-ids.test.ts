import { beforeEach, describe, expect, it } from 'vitest';
import type { Mesh } from '../../src/client/mesh.ts';
import { taskError } from '../../src/domain/task.ts';
import { openClient } from '../support/client.ts';
import { claimNext, meshPerTest, newTask, success } from '../support/pool.ts';

/** Ids as a client with this clock makes them; `rest`: the digits after the time. */
const TIME = '01kbv2m6s3';
const id = (rest: string, time = TIME) => time + rest.padEnd(16, '0');

describe('a part of a task id', () => {
  const mesh = meshPerTest('ids');
  let client: Mesh;
  const resolve = (text: string) => client.task.resolve(text);
  beforeEach(async () => {
    client = await openClient(mesh());
    return () => client.close();
  });
  const queue = (...ids: string[]) => mesh().producer.enqueue(ids.map((one) => newTask({ id: one })));

  it('names the only task that begins with it, in any case', async () => {
    await queue(id('aa'), id('ab'));
    expect(await resolve(`${TIME}aa`)).toBe(id('aa'));
    expect(await resolve(`${TIME}AB`.toUpperCase())).toBe(id('ab'));
    expect(await resolve(id('ab').toUpperCase())).toBe(id('ab'));
  });

  it('names the only task with this beginning and end', async () => {
    await queue(id('aa0000000000000x'), id('aa0000000000000z'));
    expect(await resolve(`${TIME.slice(0, 6)}…0z`)).toBe(id('aa0000000000000z'));
    expect(await resolve('...000x')).toBe(id('aa0000000000000x'));
    // The two parts may not overlap.
    const whole = id('aa0000000000000x');
    expect(await resolve(`${whole}…${whole.slice(-4)}`)).toBe(`${whole}…${whole.slice(-4)}`);
  });

  it('is refused if several tasks fit, and names at most five of them', async () => {
    await queue(id('aa'), id('ab'));
    await expect(resolve(TIME)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(
        new RegExp(`^${TIME} fits several tasks: \\w+ \\(waiting\\), \\w+ \\(waiting\\)$`),
      ),
    });
    await queue(...['c', 'd', 'e', 'f', 'g'].map((letter) => id(`a${letter}`)));
    await expect(resolve(`${TIME}a`)).rejects.toThrow(/(?:\w+ \(waiting\),? ){5}and more$/);
  });

  it('is returned unchanged if it is no task, or shorter than four characters', async () => {
    await queue(id('aa'));
    for (const text of ['zzzz', '01k', '', `${TIME}b`, '…', 'x'.repeat(5_000)]) expect(await resolve(text)).toBe(text);
  });

  it('finds tasks in every state and pool, also of schedules', async () => {
    const node = await mesh().node('mac-1');
    const run = async (rest: string) => {
      await queue(id(rest));
      return claimNext(node);
    };
    await node.report(await run('c'), success);
    await node.report(await run('f'), { ok: false, error: taskError('invalid', 'x') });
    await run('r');
    const all = [
      newTask({ id: id('w') }),
      newTask({ id: id('p'), priority: 1 }),
      newTask({ id: id('d'), delayMs: 60_000 }),
      newTask({ id: id('h'), node: 'mac-9' }),
      newTask({ id: id('x'), pool: 'xcode' }),
      newTask({ id: id('k') }),
    ];
    await mesh().producer.enqueue(all);
    await client.task.cancel(id('k'));
    for (const rest of ['c', 'f', 'r', 'w', 'p', 'd', 'h', 'x', 'k']) {
      expect(await resolve(`${TIME}${rest}`), rest).toBe(id(rest));
    }
    await mesh().schedules.add('nightly', { everyMs: 3_600_000 }, newTask());
    expect(await resolve('repeat:nightly')).toMatch(/^repeat:nightly:\d+$/);
  });

  it('finds a task among 20,000 ended ones, even if it ended before the time in its id', async () => {
    const { redis, keys, producer } = mesh();
    await producer.enqueue([newTask({ id: id('fff') })]);
    const node = await mesh().node('mac-1');
    await node.report(await claimNext(node), success);
    const completed = keys.pool('default', 'completed');
    const filler = Array.from({ length: 20_000 }, (_, n) => [n, `filler${n}`]).flat();
    await redis.zadd(completed, ...filler);
    // A client whose clock is years ahead.
    await redis.zadd(completed, 1, id('fff'));
    expect(await resolve(`${TIME}f`)).toBe(id('fff'));
  });

  it('finds the tasks of other BullMQ programs, whose ids may have upper case', async () => {
    await queue(id('aa'));
    const queues = await client.rawQueues();
    await queues.of(['default'])[0]?.add('x', {}, { jobId: 'Job-ABC-1' });
    await queues.close();
    expect(await resolve('Job-ABC-1')).toBe('Job-ABC-1');
    expect(await resolve('Job-AB')).toBe('Job-ABC-1');
  });
});
