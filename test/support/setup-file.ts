import { randomUUID } from 'node:crypto';
import { afterAll, afterEach } from 'vitest';
import { forgetStopped, keepEvidence } from './evidence.ts';
import { endMarked, endOwned, FILE_MARK } from './processes.ts';

// Runs in every test file, around the hooks of the file itself: these come last.

const mark = randomUUID();
process.env[FILE_MARK] = mark;

afterEach(async ({ task }) => {
  const { result } = task;
  if (result?.state !== 'fail') {
    forgetStopped();
    return;
  }
  const errors = (result.errors ?? []).map(({ message, stack }) => stack ?? message);
  const folder = await keepEvidence(task.name, errors);
  if (folder) console.error(`\nkept for "${task.name}": ${folder}`);
});

afterAll(async () => {
  await endOwned();
  const left = await endMarked({ name: FILE_MARK, value: mark });
  if (left.length > 0) throw new Error(`the tests of this file left running, killed now:\n${left.join('\n')}`);
});
