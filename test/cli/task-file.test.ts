import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskFile } from '../../src/cli/task-source.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import type { NewTask } from '../../src/domain/task.ts';
import { emptyFolder } from '../support/folders.ts';

/** Files that programs and people write: what is right is read as it is, what is wrong is told with its line. */
describe('a file of tasks', () => {
  const path = join(emptyFolder(), 'tasks.jsonl');
  const read = async (content: string | Uint8Array): Promise<NewTask[]> => {
    writeFileSync(path, content);
    const file = await TaskFile.open(path, { attempts: 3 });
    try {
      const { count } = await file.check();
      const tasks: NewTask[] = [];
      for await (const batch of file.tasks()) tasks.push(...batch);
      expect(tasks).toHaveLength(count);
      return tasks;
    } finally {
      file.close();
    }
  };
  const refusal = async (content: string | Uint8Array): Promise<string> => {
    const error = await read(content).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error, JSON.stringify(content)).toBeInstanceOf(ClawmeshError);
    expect((error as ClawmeshError).code).toBe('usage');
    return (error as ClawmeshError).message;
  };

  it('refuses a file whose line never ends, without reading on', async () => {
    const line = JSON.stringify({ message: 'x'.repeat(9 * 1024 * 1024) });
    expect(await refusal(`{"message":"first"}\n${line}\n`)).toMatch(/tasks\.jsonl:2: the line is longer than 8 MiB/);
  });

  const message = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter((text) => text.trim() !== '');
  const good = fc.record(
    {
      message,
      priority: fc.nat({ max: 100 }),
      tags: fc.constant({ a: 'b' }),
      attempts: fc.integer({ min: 1, max: 9 }),
    },
    { requiredKeys: ['message'] },
  );
  const bad = fc.oneof(
    fc.constantFrom(
      '{',
      '[]',
      'null',
      '1',
      '"x"',
      '{}',
      '{"message":1}',
      '{"message":""}',
      '{"message":"x","nope":1}',
      '\u0000',
    ),
    fc.constantFrom(
      '{"message":"x","delay":"soon"}',
      '{"message":"x","priority":-1}',
      '{"message":"x"}{"message":"y"}',
      '﻿{',
    ),
    fc
      .jsonValue()
      .filter((value) => typeof value !== 'object' || value === null || Array.isArray(value))
      .map((value) => JSON.stringify(value)),
  );
  const blank = fc.constantFrom('', ' ', '\t', '\r');

  it('reads all good lines of a file in order, across blank lines', async () => {
    const lines = fc.array(
      fc.oneof(
        good.map((task) => ({ task })),
        blank.map((text) => ({ text })),
      ),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(lines, fc.constantFrom('\n', '\r\n'), async (all, end) => {
        const tasks = all.flatMap((line) => ('task' in line ? [line.task] : []));
        const content = all.map((line) => ('task' in line ? JSON.stringify(line.task) : line.text)).join(end);
        if (tasks.length === 0) return void expect(await refusal(content)).toMatch(/contains no tasks/);
        expect((await read(content)).map((task) => task.message)).toEqual(tasks.map((task) => task.message));
      }),
      { numRuns: 300 },
    );
  });

  it('names the first bad line of a file, and queues nothing', async () => {
    const around = fc.array(good, { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(around, bad, around, async (before, wrong, after) => {
        const content = [
          ...before.map((task) => JSON.stringify(task)),
          wrong,
          ...after.map((task) => JSON.stringify(task)),
        ];
        const told = await refusal(content.join('\n'));
        expect(told.startsWith(`${path}:${before.length + 1}: `), `${wrong} → ${told}`).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('reads or refuses arbitrary files without crashing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await read(bytes).catch((error: unknown) => expect(error).toBeInstanceOf(ClawmeshError));
      }),
      { numRuns: 300 },
    );
  });
});
