import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { ExecRunner, parseVersion } from '../../src/runners/exec.ts';
import { runKey } from '../../src/runners/runner.ts';
import { emptyFolder } from '../support/folders.ts';
import { never, request, runWith, standIn } from '../support/openclaw-stand-in.ts';
import { isRunning } from '../support/processes.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

it('keys a run by task, attempt and handover', () => {
  expect(runKey(request('x'))).toBe('clawmesh-t1-2-h1');
  expect(runKey(request('x', { handovers: 0 }))).toBe('clawmesh-t1-2');
});

describe('exec mode', () => {
  it('passes OpenClaw a deadline that its timers support', async () => {
    const { folder } = await runWith('echo "$@" > "$HERE/args"', { fields: { timeoutMs: 3_650 * 86_400_000 } });
    expect(readFileSync(join(folder, 'args'), 'utf8').trim()).toMatch(/--timeout 2147000$/);
  });

  it('passes the message on standard input, flags, and the task in the environment', async () => {
    const { folder } = await runWith('cat > "$HERE/stdin"; echo "$@" > "$HERE/args"; env > "$HERE/env"', {
      fields: { spec: { message: 'two\nlines', tags: {}, model: 'fake/echo', thinking: 'low' } },
    });
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    expect(read('stdin')).toBe('two\nlines');
    expect(read('args').trim()).toBe(
      'agent exec --json --message-file - --model fake/echo --thinking low --timeout 60',
    );
    expect(read('env')).toMatch(/CLAWMESH_TASK_ID=t1[\s\S]*/);
    expect(read('env')).toMatch(/CLAWMESH_ATTEMPT=2/);
    expect(read('env')).toMatch(/CLAWMESH_HANDOVERS=1/);
    expect(read('env')).toMatch(/CLAWMESH_NODE_ID=mac-1/);
    expect(read('env')).toMatch(/KEPT=yes/);
    expect(read('env')).not.toMatch(/VITEST/);
  });

  it('logs stderr without its colours', async () => {
    const { events } = await runWith('printf "\\033[31mred\\033[0m\\nplain\\n" >&2; echo \'{"ok":true,"final":"x"}\'');
    expect(events).toEqual([
      { type: 'log', text: 'red' },
      { type: 'log', text: 'plain' },
    ]);
  });

  it('reports a program that prints garbage, and a missing program', async () => {
    const { outcome } = await runWith('echo what; exit 3');
    expect(outcome).toMatchObject({
      ok: false,
      error: { kind: 'crash', message: expect.stringContaining('exit code 3') },
    });
    const missing = new ExecRunner({ bin: 'openclaw', env: { PATH: emptyFolder() }, clock: systemClock });
    expect(await missing.run(request('x'), never, () => {})).toMatchObject({
      error: { kind: 'crash', message: expect.stringContaining('not on this node') },
    });
    expect(await missing.health()).toMatchObject({ healthy: false, reason: 'openclaw is not on PATH' });
  });

  it('kills the whole process group 5 s after a stop if it ignores SIGTERM', async () => {
    const abort = new AbortController();
    const clock = new VirtualClock();
    const { bin, folder } = standIn(
      'trap "" TERM; (trap "" TERM; echo $$ > "$(dirname "$0")/shell"; exec sleep 300) & echo $! > "$(dirname "$0")/child"; echo started >&2; wait',
    );
    const runner = new ExecRunner({ bin, env: { PATH: process.env.PATH }, clock });
    const outcome = runner.run(request('x'), abort.signal, () => abort.abort('deadline'));
    await expect.poll(() => clock.nextInMs).toBe(5_000);
    await clock.advance(4_999);
    const child = Number(readFileSync(join(folder, 'child'), 'utf8'));
    expect(isRunning(child)).toBe(true);
    await clock.advance(1);
    expect(await outcome).toMatchObject({ ok: false, error: { kind: 'cancelled' } });
    await expect.poll(() => isRunning(child)).toBe(false);
  });

  it('refuses tasks that agent exec does not support', async () => {
    const { outcome } = await runWith('echo no', { fields: { spec: { message: 'x', tags: {}, session: 's' } } });
    expect(outcome).toMatchObject({ ok: false, error: { kind: 'invalid' } });
  });

  it('reads the version of OpenClaw', () => {
    expect(parseVersion('OpenClaw 2026.9.6 (eb377ac)')).toBe('2026.9.6');
    expect(parseVersion('zsh: command not found')).toBeUndefined();
    expect(parseVersion('2026.9.6\n')).toBe('2026.9.6');
    expect(parseVersion('\u001b[1mopenclaw v2026.9.6-beta.1\u001b[0m\r\n')).toBe('2026.9.6-beta.1');
    const noise =
      '(node:1) Warning: Node.js 24.1.0 is old\nUpdate available: 2026.9.5 → 2026.9.7\nOpenClaw 2026.9.9 is out\n';
    expect(parseVersion(`${noise}OpenClaw 2026.9.6 (eb377ac)\nsee 1.2.3.4\n`)).toBe('2026.9.6');
    expect(parseVersion(noise)).toBeUndefined();
  });
});
