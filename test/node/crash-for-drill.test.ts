import { spawn } from 'node:child_process';
import { beforeEach, expect, it, vi } from 'vitest';
import { crashForDrill } from '../../src/node/crash-for-drill.ts';
import { testContext } from '../support/node-context.ts';

vi.mock('node:child_process', () => ({ spawn: vi.fn() }));

const did: unknown[] = [];
beforeEach(() => {
  did.length = 0;
  vi.spyOn(process, 'kill').mockImplementation((...call) => {
    did.push(call);
    return true;
  });
  vi.mocked(spawn).mockImplementation(((file: string, args: string[], { detached }: { detached: boolean }) => {
    did.push([file, args[0], { detached }, ...args.slice(3)]);
    return { unref: () => did.push('unref') };
  }) as unknown as typeof spawn);
  return () => vi.restoreAllMocks();
});

it('kills only its own process for a crash', () => {
  crashForDrill('drill-crash', 30_000, testContext().log);
  expect(did).toEqual([[process.pid, 'SIGKILL']]);
});

it('starts a separate process group that resumes it after whole seconds, before it freezes', () => {
  crashForDrill('drill-freeze', 30_001, testContext().log);
  expect(did).toEqual([
    ['/bin/sh', '-c', { detached: true }, '31', String(process.pid)],
    'unref',
    [process.pid, 'SIGSTOP'],
  ]);
});

it('logs the drill before it kills the process', () => {
  const { log, logged } = testContext();
  vi.spyOn(process, 'kill').mockImplementation(() => {
    did.push([...logged]);
    return true;
  });
  crashForDrill('drill-crash', 30_000, log);
  expect(did).toEqual([[expect.objectContaining({ level: 'warn', drill: 'drill-crash' })]]);
});
