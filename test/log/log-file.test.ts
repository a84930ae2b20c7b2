import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/log/logger.ts';
import { emptyFolder } from '../support/folders.ts';

afterEach(() => {
  vi.useRealTimers();
});

it.skipIf(!existsSync('/dev/full'))('drops log lines on a full disk without failing the process that logs', () => {
  const log = createLogger({ level: 'info', format: 'json', file: '/dev/full' });
  for (let i = 0; i < 2_000; i++) log.info({ i, text: 'x'.repeat(1_000) }, 'a line');
});

it('reopens a log file whose folder was removed, or replaced by a file, once that is possible', () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const folder = join(emptyFolder(), 'logs');
  const file = join(folder, 'node.log');
  const log = createLogger({ level: 'info', format: 'json', file });
  log.info('the first');
  renameSync(folder, `${folder}-away`);
  writeFileSync(folder, 'a file where the folder was');
  vi.advanceTimersByTime(6_000);
  log.info('into the void, or the old file');
  rmSync(folder);
  mkdirSync(folder);
  vi.advanceTimersByTime(6_000);
  log.info('the last');
  expect(readFileSync(file, 'utf8')).toContain('the last');
});
