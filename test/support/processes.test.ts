import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { endMarked, isRunning } from './processes.ts';

// macOS does not show the environment of its own programs.
it.runIf(process.platform === 'linux')(
  'a process that outlives its starter, in a session of its own, is found by its mark, named and killed',
  async () => {
    const value = randomUUID();
    const starter = spawn('sh', ['-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!'], {
      env: { ...process.env, MARK_OF_THIS_TEST: value },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(starter, 'exit');
    const left = await endMarked({ name: 'MARK_OF_THIS_TEST', value }, 0);
    expect(left).toEqual([expect.stringMatching(/^\d+ sleep 600$/)]);
    await expect.poll(() => isRunning(Number.parseInt(left[0] ?? '', 10))).toBe(false);
    expect(await endMarked({ name: 'MARK_OF_THIS_TEST', value }, 0)).toEqual([]);
  },
);
