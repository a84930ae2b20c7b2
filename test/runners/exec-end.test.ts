import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { processIdentity } from '../../src/platform/process.ts';
import { ExecRunner } from '../../src/runners/exec.ts';
import { emptyFolder } from '../support/folders.ts';
import { runWith, standIn } from '../support/openclaw-stand-in.ts';
import { isRunning, spawnOwned } from '../support/processes.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const ANSWER = `echo '{"ok":true,"final":"paid for"}'`;
const paidFor = { ok: true, result: { text: 'paid for' } };
const pidIn = (folder: string, name = 'child') => Number(readFileSync(join(folder, name), 'utf8'));
const linux = process.platform === 'linux';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the end of an exec run', () => {
  it.each([
    ['lines stand behind its answer', `${ANSWER}; echo 'plugin: done'; echo '{ not json'`],
    [
      'its answer stands in the middle of a line',
      `printf 'it said "{": '; printf '%s' "$(${ANSWER})"; echo ' and more'`,
    ],
    ['it prints its answer without a line break', `printf '{"ok":true,"final":"paid for"}'`],
    ['an open brace stands before its answer', `echo '{"progress":'; ${ANSWER}; exit 3`],
    [
      'its answer is printed over several lines',
      `printf '{\\n  "ok": true,\\n  "final": "paid for",\\n  "error": null\\n}\\n'`,
    ],
    ['it prints two answers', `echo '{"ok":false,"error":{"message":"HTTP 503"}}'; ${ANSWER}`],
    ['another object follows its answer', `${ANSWER}; echo '{"ok":true,"plugin":"idle"}'; echo '{"level":"info"}'`],
    ['it crashes after its answer', `${ANSWER}; kill -SEGV $$`],
    ['it never reads its message', `exec <&-; ${ANSWER}`],
    ['it prints 9 MiB before its answer', `head -c 9437184 /dev/zero | tr '\\0' x; echo; ${ANSWER}`],
    ['it prints 9 MiB behind its answer', `${ANSWER}; head -c 9437184 /dev/zero | tr '\\0' x`],
    ['it prints 9 MiB of opening braces', `head -c 9437184 /dev/zero | tr '\\0' '{'; echo; ${ANSWER}`],
  ])('keeps its answer although %s', async (_, body) => {
    expect((await runWith(body)).outcome).toMatchObject(paidFor);
  });

  it('judges a run by the error in its answer, whatever is logged after it', async () => {
    const body = `echo '{"ok":false,"status":"error","error":{"message":"HTTP 401"}}'; echo 'closing down'; exit 1`;
    expect((await runWith(body)).outcome).toMatchObject({ ok: false, error: { kind: 'auth' } });
  });

  it('cuts an answer that is too long, and reports its full length', async () => {
    const long = `node -e "process.stdout.write(JSON.stringify({ok:true,final:'é\\\\n'.repeat(7e6),payloads:[{text:'é\\\\n'.repeat(7e6)}],usage:{input:1,output:2}}))"`;
    const { outcome } = await runWith(long.replace('node', process.execPath));
    if (!outcome.ok) throw new Error(outcome.error.message);
    expect(Buffer.byteLength(outcome.result.text)).toBeLessThanOrEqual(1_048_576);
    expect(Buffer.byteLength(outcome.result.text)).toBeGreaterThan(1_048_000);
    expect(outcome.result.text).toMatch(
      /^(é\n)+é?\n\[cut here by clawmesh: the answer had 21000000 bytes, of which 1048576 are kept\]$/,
    );
    expect(outcome.result.usage).toEqual({ input: 1, output: 2, total: 3 });
  });

  it('ends exactly 2 s after its answer, although the process stays', async () => {
    const clock = new VirtualClock();
    const run = runWith(`echo $$ > "$HERE/child"; ${ANSWER}; exec sleep 300`, { clock });
    await expect.poll(() => clock.nextInMs).toBe(2_000);
    await clock.advance(1_999);
    expect(clock.nextInMs).toBe(1);
    await clock.advance(1);
    const { outcome, folder } = await run;
    expect(outcome).toMatchObject({ ...paidFor, result: { durationMs: 2_000 } });
    expect(isRunning(pidIn(folder))).toBe(false);
    expect(clock.pending).toBe(0);
  });

  it('ends exactly 15 s after its answer, although the process continues to print', async () => {
    const clock = new VirtualClock();
    let passed = Promise.resolve();
    const { outcome, folder } = await runWith(
      `echo $$ > "$HERE/child"; ${ANSWER}; while :; do sleep 0.05; echo again; done`,
      {
        clock,
        // Each line comes in time to begin another wait of 2 s.
        onEvent: () => {
          passed = passed.then(() => clock.advance(Math.min(1_900, 15_000 - clock.monotonic())));
        },
      },
    );
    expect(outcome).toMatchObject({ ...paidFor, result: { durationMs: 15_000 } });
    expect(isRunning(pidIn(folder))).toBe(false);
  });

  it.each([
    ['holds its output open', 'sleep 300 &', 0],
    ['ignores SIGTERM', `(trap '' TERM; while :; do sleep 1; done) >/dev/null 2>&1 &`, 0],
    ['continues to print', 'yes 2>/dev/null &', 0],
    ['is left by a run that fails', 'sleep 300 >/dev/null 2>&1 &', 1],
  ])('kills its child processes before it ends: a child that %s', async (_, start, code) => {
    const { outcome, folder } = await runWith(
      `${start} echo $! > "$HERE/child"; [ ${code} = 1 ] || ${ANSWER}; exit ${code}`,
    );
    expect(outcome).toMatchObject(code === 0 ? paidFor : { ok: false, error: { kind: 'crash' } });
    expect(isRunning(pidIn(folder))).toBe(false);
  });

  it('kills its child processes if it prints more than it may', async () => {
    const { outcome, folder } = await runWith(
      `sleep 300 & echo $! > "$HERE/child"; head -c 20971520 /dev/zero | tr '\\0' x; exit 1`,
    );
    expect(outcome).toMatchObject({ ok: false, error: { kind: 'crash' } });
    expect(isRunning(pidIn(folder))).toBe(false);
  });

  it.runIf(linux)('kills child processes that have left its process group', async () => {
    const away = `setsid sh -c 'echo $$ > "$0/child"; exec sleep 300' "$HERE" >/dev/null 2>&1 &`;
    const wait = 'while [ ! -s "$HERE/child" ]; do sleep 0.05; done';
    const { outcome, folder } = await runWith(`${away} ${wait}; ${ANSWER}`);
    expect(outcome).toMatchObject(paidFor);
    expect(isRunning(pidIn(folder))).toBe(false);
    const abort = new AbortController();
    const stopped = await runWith(`${away} ${wait}; echo started >&2; sleep 300`, {
      signal: abort.signal,
      onEvent: () => abort.abort('deadline'),
    });
    expect(stopped.outcome).toMatchObject({ ok: false, error: { kind: 'cancelled' } });
    expect(isRunning(pidIn(stopped.folder))).toBe(false);
  });

  it('keeps the answer of a run that is stopped after it', async () => {
    const abort = new AbortController();
    const { outcome } = await runWith(`${ANSWER}; echo started >&2; sleep 300`, {
      signal: abort.signal,
      onEvent: ({ type }) => type === 'log' && abort.abort('deadline'),
    });
    expect(outcome).toMatchObject(paidFor);
  });

  it('takes any byte for a sign of life, and keeps a bounded part of a line that never ends', async () => {
    const { events } = await runWith(
      `for i in 1 2 3; do printf . >&2; printf . ; sleep 0.2; done; head -c 67108864 /dev/zero | tr '\\0' y >&2; ${ANSWER}`,
    );
    expect(events[0]).toEqual({ type: 'alive' });
    const lines = events.flatMap((event) => (event.type === 'log' ? [event.text] : []));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\.{3}y+…$/);
    expect(lines[0]?.length).toBeLessThan(20_000);
  });
});

describe('an exec run whose signal is refused', () => {
  /** As macOS answers for a group one of whose members may not be signalled. */
  const refuse = (refused: (pid: number) => boolean, code: string) => {
    const kill = process.kill.bind(process);
    vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
      if (refused(pid) && signal !== 0) throw Object.assign(new Error(`kill ${code}`), { code });
      return kill(pid, signal);
    });
  };

  it.each(['EPERM', 'EINVAL', 'ESRCH'])(
    'ends the members of a group one by one if the signal to the group is refused (%s)',
    async (code) => {
      refuse((pid) => pid < 0, code);
      const abort = new AbortController();
      const { outcome, folder } = await runWith('sleep 300 & echo $! > "$HERE/child"; echo started >&2; wait', {
        signal: abort.signal,
        onEvent: () => abort.abort('deadline'),
      });
      expect(outcome).toMatchObject({ ok: false, error: { kind: 'cancelled' } });
      expect(isRunning(pidIn(folder))).toBe(false);
    },
  );

  it('ends the other members if the signal to one is refused, and reports it', async () => {
    let protectedPid = 0;
    refuse((pid) => pid < 0 || pid === protectedPid, 'EPERM');
    const { outcome, events, folder } = await runWith(
      `sleep 300 & echo $! > "$HERE/kept"; sleep 300 & echo $! > "$HERE/child"; echo started >&2; sleep 0.5; ${ANSWER}`,
      {
        onEvent: (_, here) => {
          if (existsSync(join(here, 'kept'))) protectedPid = pidIn(here, 'kept');
        },
      },
    );
    expect(outcome).toMatchObject(paidFor);
    expect(isRunning(pidIn(folder))).toBe(false);
    expect(isRunning(protectedPid)).toBe(true);
    expect(events.at(-1)).toEqual({ type: 'log', text: expect.stringContaining(`this run started: ${protectedPid}`) });
    vi.restoreAllMocks();
    process.kill(protectedPid, 'SIGKILL');
  });
});

describe('an exec run after the death of the daemon', () => {
  it.runIf(linux)('ends within moments, together with processes that have left its process group', async () => {
    const { bin, folder } = standIn(
      `trap '' TERM; setsid sh -c 'trap "" TERM; echo $$ > "$0/away"; while :; do sleep 1; done' "$HERE" & echo $$ > "$HERE/run"; while :; do sleep 1; done`,
    );
    const daemon = spawnOwned(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { ExecRunner } from '${new URL('../../src/runners/exec.ts', import.meta.url).href}';
        import { systemClock } from '${new URL('../../src/platform/clock.ts', import.meta.url).href}';
        const request = { taskId: 't', attempt: 1, handovers: 0, holds: 0, nodeId: 'n', spec: { message: 'x', tags: {} }, timeoutMs: 1e6 };
        await new ExecRunner({ bin: '${bin}', env: process.env, clock: systemClock }).run(request, new AbortController().signal, () => {});`,
      ],
      { stdio: 'ignore' },
    );
    for (const name of ['run', 'away'])
      await expect.poll(() => existsSync(join(folder, name)) && pidIn(folder, name) > 0).toBe(true);
    daemon.kill('SIGKILL');
    for (const name of ['run', 'away']) await expect.poll(() => isRunning(pidIn(folder, name))).toBe(false);
  });

  it.runIf(linux)('ends at the next start, which spares the runs of a daemon that is up', async () => {
    const gone = spawn('true');
    const identity = processIdentity(gone.pid ?? 0) ?? `${gone.pid}@1`;
    await new Promise((resolve) => gone.once('exit', resolve));
    const marked = (mark: string) => {
      const child = spawnOwned('setsid', ['sleep', '300'], {
        stdio: 'ignore',
        env: { ...process.env, CLAWMESH_RUN: mark },
      });
      return child.pid ?? 0;
    };
    const other = spawnOwned('sleep', ['300'], { stdio: 'ignore' });
    const leftover = marked(`${identity}:mac-1:clawmesh-t1-1:abcd`);
    const reused = marked(`${process.pid}@1:mac-1:clawmesh-t2-1:abcd`);
    const living = marked(`${processIdentity(other.pid ?? 0)}:mac-2:clawmesh-t3-1:abcd`);
    const unknown = marked('something else');
    const command = (pid: number) =>
      spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
    // Any daemon that starts on this machine ends leftovers: that of a test beside this one may be first.
    for (const pid of [leftover, reused]) await expect.poll(() => command(pid)).toMatch(/^(sleep 300)?$/);
    for (const pid of [living, unknown]) await expect.poll(() => command(pid)).toBe('sleep 300');
    await new ExecRunner({ bin: join(emptyFolder(), 'openclaw'), env: {}, clock: systemClock }).stopLeftovers();
    expect([leftover, reused, living, unknown].map(isRunning)).toEqual([false, false, true, true]);
  });
});
