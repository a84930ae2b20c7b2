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

it('kills its own process for a crash, and starts no other', () => {
  crashForDrill('drill-crash', 30_000, testContext().log);
  expect(did).toEqual([[process.pid, 'SIGKILL']]);
});

it('starts the process that resumes it, in a group of its own, before it freezes, for whole seconds at least', () => {
  crashForDrill('drill-freeze', 30_001, testContext().log);
  expect(did).toEqual([
    ['/bin/sh', '-c', { detached: true }, '31', String(process.pid)],
    'unref',
    [process.pid, 'SIGSTOP'],
  ]);
});

it('logs the drill before it can say nothing more', () => {
  const { log, logged } = testContext();
  vi.spyOn(process, 'kill').mockImplementation(() => {
    did.push([...logged]);
    return true;
  });
  crashForDrill('drill-crash', 30_000, log);
  expect(did).toEqual([[expect.objectContaining({ level: 'warn', drill: 'drill-crash' })]]);
});
