import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { sessionContext } from '../../src/queue/bullmq/session-context.ts';
import { MeshKeys } from '../../src/redis/keys.ts';
import { success } from '../support/pool.ts';

const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'm' });
const said = (message: string, text: string) => [
  JSON.stringify({ v: 1, message, attempts: 1 }),
  JSON.stringify({ ...success.result, text }),
];

/** What a task that moved from mac-1 is told of these last ones, the newest first. */
const context = (
  tasks: (string | null)[][],
  more: { movedFrom?: string | undefined; session?: string | undefined; exchanges?: number } = {},
) => {
  const { movedFrom, session, exchanges } = { movedFrom: 'mac-1', session: 'chat', exchanges: 9, ...more };
  const redis = {
    lrange: async (_: string, from: number, to: number) => tasks.map((_, n) => `p:${n}`).slice(from, to + 1),
    hmget: async (key: string) => tasks[Number(key.split(':').at(-1))],
  } as unknown as Redis;
  return sessionContext(redis, keys, { spec: { message: 'x', tags: {}, session }, movedFrom }, exchanges);
};
const told = (...quotes: string[]) =>
  `[This conversation has moved from another machine (mac-1). Its last exchanges, oldest first:]\n\n${quotes.join('\n\n')}\n\n[End of the earlier exchanges. The conversation continues:]\n\n`;

it('quotes the last exchanges of a session, oldest first, and no more than requested', async () => {
  const tasks = [said('third', 'c'), said('second', 'b'), said('first', 'a')];
  expect(await context(tasks, { exchanges: 2 })).toBe(told('> second\n\nb', '> third\n\nc'));
});

it('quotes 1000 characters of a longer text, and marks the cut', async () => {
  const [fits, long] = ['x'.repeat(1_000), 'y'.repeat(1_001)];
  expect(await context([said(` ${fits} `, long)])).toBe(told(`> ${fits}\n\n${'y'.repeat(1_000)}…`));
});

it('leaves out tasks that are gone, did not complete or cannot be read', async () => {
  const [data = ''] = said('no answer', '');
  expect(await context([[null, null], said('one', 'a'), [data, null], [data, '{']])).toBe(told('> one\n\na'));
});

it.each([
  ['its session is where it was', [said('one', 'a')], { movedFrom: undefined }],
  ['it has no session', [said('one', 'a')], { session: undefined }],
  ['no exchange is wanted', [said('one', 'a')], { exchanges: 0 }],
  ['nothing is known of the last tasks', [[null, null]], {}],
])('adds no context to a task if %s', async (_, tasks, options) => {
  expect(await context(tasks, options)).toBe('');
});
