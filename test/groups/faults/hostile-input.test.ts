import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { PARSERS } from '../../support/hostile-parsers.ts';

/**
 * A parser whose work grows with the square of the text needs many minutes for the megabyte that it's given; one whose work
 * grows with its length is done within a fraction of a second. So this is a guard against hanging, and no measure, ms.
 */
const HANG_MS = 60_000;

describe('a megabyte of hostile text', () => {
  it.each(Object.keys(PARSERS))('does not hang %s', async (parser) => {
    const worker = new Worker(new URL('../../support/hostile-parsers.ts', import.meta.url), { workerData: { parser } });
    const ended = Promise.withResolvers<string>();
    let guard: NodeJS.Timeout | undefined;
    worker.on('message', (text: string) => {
      clearTimeout(guard);
      if (text === 'done') ended.resolve(text);
      else guard = setTimeout(() => ended.resolve(`hangs on ${text}`), HANG_MS);
    });
    worker.on('error', (error) => ended.reject(error));
    try {
      expect(await ended.promise).toBe('done');
    } finally {
      clearTimeout(guard);
      await worker.terminate();
    }
  });
});
