import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { endMarked, isRunning } from './processes.ts';

// macOS does not show the environment of its own programs.
it.runIf(process.platform === 'linux')(
  'finds a process by its mark although it outlives its starter in its own session, names it and kills it',
  async () => {
    const value = randomUUID();
    const starter = spawn('sh', ['-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!'], {
      env: { ...process.env, MARK_OF_THIS_TEST: value },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [pid] = (await once(starter.stdout, 'data')) as [Buffer];
    if (starter.exitCode === null) await once(starter, 'exit');
    // Before that it is still `setsid`, which becomes it.
    const command = () => readFileSync(`/proc/${String(pid).trim()}/cmdline`, 'latin1');
    await expect.poll(command).toMatch(/^sleep/);
    const left = await endMarked({ name: 'MARK_OF_THIS_TEST', value }, 0);
    expect(left).toEqual([expect.stringMatching(/^\d+ sleep 600$/)]);
    await expect.poll(() => isRunning(Number.parseInt(left[0] ?? '', 10))).toBe(false);
    expect(await endMarked({ name: 'MARK_OF_THIS_TEST', value }, 0)).toEqual([]);
  },
);
