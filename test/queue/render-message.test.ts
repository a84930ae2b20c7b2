import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { renderMessage } from '../../src/queue/bullmq/render-message.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { success } from '../support/pool.ts';

const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'm' });

/** The message of a task that comes after `a` and `b`, which have answered this. */
const render = (message: string, answers: Record<string, string> = {}) => {
  const read: string[] = [];
  const redis = {
    hget: async (key: string) => {
      read.push(key);
      const text = answers[key];
      return text === undefined ? null : JSON.stringify({ ...success.result, text });
    },
  } as unknown as Redis;
  const after = ['a', 'b'].map((id) => ({ id, pool: 'p' }));
  return { read, message: renderMessage(redis, keys, { message, tags: {}, after }) };
};
const [a, b] = [keys.task('p', 'a'), keys.task('p', 'b')];

it('returns a message without quotes unchanged, without reading anything', async () => {
  const { read, message } = render('{{result}} {{result:}} {result:a}');
  expect([await message, read]).toEqual(['{{result}} {{result:}} {result:a}', []]);
});

it('inserts each answer everywhere it is quoted, and reads it once', async () => {
  const { read, message } = render('{{result:a}}, {{result:b}}, {{result:a}}', { [a]: 'one', [b]: '' });
  expect([await message, read]).toEqual(['one, , one', [a, b]]);
});

it('inserts an answer as it is, and replaces no placeholder or pattern in it', async () => {
  const answer = "{{result:b}} $& $1 $'";
  expect(await render('> {{result:a}}', { [a]: answer, [b]: 'x' }).message).toBe(`> ${answer}`);
});

it.each(['a', 'c'])(
  'fails for good if the quoted task %s is gone, or is not among the tasks that it comes after',
  async (id) => {
    await expect(render(`{{result:${id}}}`, { [keys.task('p', 'c')]: 'x' }).message).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining(`{{result:${id}}}`),
    });
  },
);

it('quotes at most exactly 16 Mi characters, all answers together', async () => {
  const half = 'x'.repeat(8 * 1_048_576);
  const fits = await render('{{result:a}}{{result:a}}', { [a]: half }).message;
  expect(fits.length).toBe(2 * half.length);
  await expect(render('{{result:a}}{{result:a}}{{result:b}}', { [a]: half, [b]: 'x' }).message).rejects.toMatchObject({
    code: 'usage',
  });
});
