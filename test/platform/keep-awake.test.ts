import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { keepAwake } from '../../src/platform/keep-awake.ts';
import { emptyFolder } from '../support/folders.ts';
import { isRunning } from '../support/processes.ts';

/** A stand-in for Apple's caffeinate that notes its arguments and process id, and stays until it's ended. */
function standIn(): { read: () => { pid: number; args: string } | undefined; starts: () => number } {
  const folder = emptyFolder();
  const file = join(folder, 'calls');
  writeFileSync(join(folder, 'caffeinate'), `#!/bin/sh\necho "$$ $*" >> '${file}'\nexec sleep 60\n`);
  chmodSync(join(folder, 'caffeinate'), 0o755);
  vi.stubEnv('PATH', folder + delimiter + process.env.PATH);
  const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);
  return {
    starts: () => lines().length,
    read: () => {
      const [pid = '', ...args] = lines().at(-1)?.split(' ') ?? [];
      return pid ? { pid: Number(pid), args: args.join(' ') } : undefined;
    },
  };
}

describe('keeping a Mac awake', () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });
  const fail = (error: Error) => {
    throw error;
  };

  it('holds one caffeinate, bound to this process, and ends it some time after the last task', async () => {
    const caffeinate = standIn();
    const awake = keepAwake(fail, 'darwin');
    awake.hold();
    awake.hold();
    await expect.poll(caffeinate.read).toBeDefined();
    const { pid, args } = caffeinate.read() as NonNullable<ReturnType<typeof caffeinate.read>>;
    expect(args).toBe(`-i -w ${process.pid}`);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    awake.release();
    vi.advanceTimersByTime(5_000);
    awake.hold(); // the next task comes in time
    vi.advanceTimersByTime(60_000);
    expect(isRunning(pid)).toBe(true);
    awake.release();
    awake.release();
    vi.advanceTimersByTime(11_000);
    vi.useRealTimers();
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect(caffeinate.starts()).toBe(1);
  });

  it('reports a Mac without caffeinate, and continues', async () => {
    vi.stubEnv('PATH', emptyFolder());
    const error = await new Promise<Error>((resolve) => keepAwake(resolve, 'darwin').hold());
    expect(error.message).toMatch(/caffeinate/);
  });

  it('does nothing on a system other than macOS', async () => {
    const caffeinate = standIn();
    const awake = keepAwake(fail, 'linux');
    awake.hold();
    awake.release();
    await new Promise((resolve) => setTimeout(resolve, 50)); // time enough for a process to begin
    expect(caffeinate.starts()).toBe(0);
  });
});
