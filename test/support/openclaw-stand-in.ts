import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../src/domain/clock.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { ExecRunner } from '../../src/runners/exec.ts';
import type { RunEvent, RunRequest } from '../../src/runners/runner.ts';
import { emptyFolder } from './folders.ts';

export const request = (message: string, fields: Partial<RunRequest> = {}): RunRequest => ({
  taskId: 't1',
  attempt: 2,
  handovers: 1,
  holds: 0,
  nodeId: 'mac-1',
  spec: { message, tags: {} },
  timeoutMs: 60_000,
  ...fields,
});
export const never = new AbortController().signal;

/**
 * A stand-in for openclaw, to make it misbehave; `$HERE` is its folder. The real one is tested in test/groups/openclaw.
 */
export function standIn(body: string): { bin: string; folder: string } {
  const folder = emptyFolder();
  const bin = join(folder, 'openclaw');
  writeFileSync(bin, `#!/bin/sh\nHERE=$(dirname "$0")\n${body}\n`);
  chmodSync(bin, 0o755);
  return { bin, folder };
}

/** Runs a task with a stand-in. */
export async function runWith(
  body: string,
  options: {
    fields?: Partial<RunRequest>;
    signal?: AbortSignal;
    onEvent?: (event: RunEvent, folder: string) => void;
    clock?: Clock;
  } = {},
) {
  const { bin, folder } = standIn(body);
  const events: RunEvent[] = [];
  const runner = new ExecRunner({
    bin,
    env: { PATH: process.env.PATH, KEPT: 'yes' },
    clock: options.clock ?? systemClock,
  });
  const outcome = await runner.run(
    request('the message\nin two lines', options.fields),
    options.signal ?? never,
    (event) => {
      events.push(event);
      options.onEvent?.(event, folder);
    },
  );
  return { outcome, events, folder };
}
