import { expect, it } from 'vitest';
import { readField, storedResult, storedSpec } from '../../src/queue/bullmq/task-fields.ts';

const spec = { v: 1, message: 'x', attempts: 3 };
const result = { text: 'done', usage: null, model: null, runId: null, durationMs: 5 };

it.each([undefined, null, '', '{"v":', 'null', '[]', JSON.stringify({ ...spec, v: 2 }), JSON.stringify({ v: 1 })])(
  'reads nothing from a field that is %j',
  (text) => {
    expect(readField(storedSpec, text)).toBeUndefined();
  },
);

it('reads a task without tags, as other programs may queue it, and ignores fields of a later version', () => {
  expect(readField(storedSpec, JSON.stringify({ ...spec, later: 1 }))).toEqual({ ...spec, tags: {} });
});

it.each([{ input: 1 }, 'much', 7, { input: 1, output: 2, total: '3' }])(
  'reads an answer without its usage if that is %j',
  (usage) => {
    expect(readField(storedResult, JSON.stringify({ ...result, usage }))).toEqual(result);
  },
);
