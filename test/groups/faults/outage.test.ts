import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import { runCli } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { MoodyProvider } from '../../support/provider-client.ts';

/** 500 tasks with CLAWMESH_OUTAGE=full. */
const TASKS = process.env.CLAWMESH_OUTAGE === 'full' ? 500 : 40;
/** The default of `queue.circuit.minProbeInterval`, ms. */
const MIN_PROBE_MS = 2_000;
const NODES = ['mac-1', 'mac-2', 'mac-3'];

describe('many tasks and a failing provider', () => {
  let mesh: ProcessMesh;
  let provider: MoodyProvider;

  beforeEach(async () => {
    provider = await MoodyProvider.start();
    mesh = await ProcessMesh.start({
      openclaw: `mode: exec, exec: {bin: "${provider.bin}"}`,
      config: 'node: {pools: {default: 1}}\nqueue: {attempts: 5, backoff: {delay: 100ms, max: 500ms}}\n',
    });
    await mesh.startNodes(...NODES);
  });
  afterEach(async () => {
    await mesh.stop();
    provider.stop();
  });

  it('completes all tasks in the end, and sends the provider only one probe at a time until then', async () => {
    provider.mood = { kind: 'flaky', share: 0.2 };
    await mesh.enqueueLines(Array.from({ length: TASKS }, () => ({ message: 'x' })));
    await expect.poll(() => provider.calls.length, { interval: 20 }).toBeGreaterThan(TASKS / 4);

    const troubleAt = Date.now();
    provider.mood = { kind: 'rate-limit', retryAfterS: 2 };
    await expect.poll(() => provider.callsIn('rate-limit')).toBeGreaterThan(0);
    await expect
      .poll(async () => (await mesh.json('status')).circuits)
      .toMatchObject([{ name: 'default', kind: 'rate_limit', openedAt: expect.any(String) }]);
    const [problem] = (await mesh.json('status')).problems;
    expect(problem).toMatchObject({ severity: 'error', what: expect.stringContaining('are held since') });

    provider.mood = { kind: 'down' };
    await expect.poll(() => provider.callsIn('down')).toBeGreaterThan(1);
    provider.mood = { kind: 'fine' };
    // As many as the time allows, however long that was on this machine; and one per node that was under way.
    const outageCalls = provider.callsIn('rate-limit') + provider.callsIn('down');
    const probesAtMost = Math.ceil((Date.now() - troubleAt) / MIN_PROBE_MS) + 1;
    expect(outageCalls).toBeLessThanOrEqual(NODES.length + probesAtMost);

    await expect.poll(async () => (await mesh.snapshot()).pools.default?.completed).toBe(TASKS);
    const tasks = await mesh.tasks();
    expect(tasks.map((task) => task.state)).toEqual(Array(TASKS).fill('completed'));
    expect(Math.max(...tasks.map((task) => task.attempts.made))).toBeLessThanOrEqual(5);
    const usage = await mesh.json('task', 'list', '--usage');
    expect(usage.usage).toMatchObject([
      { model: 'fake/echo', tasks: TASKS, input: 11 * TASKS, total: 16 * TASKS, cost: TASKS / 4 },
    ]);
    expect((await mesh.json('status')).circuits).toEqual([]);
    const { events } = await mesh.json('events', '--limit', '1000');
    const circuitEvents = events.filter((event: { circuit: string | null }) => event.circuit === 'default');
    expect(circuitEvents.at(-1)).toMatchObject({ event: 'circuit-closed' });
    expect(circuitEvents.some(({ event }: { event: string }) => event === 'circuit-opened')).toBe(true);
  });
});

/** Each Mac has its own login: whether the provider takes it is written into the Mac's openclaw. */
describe('a login that only one Mac has lost', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({
      openclaw: 'mode: exec, exec: {bin: "${OPENCLAW_OF_THIS_MAC:-openclaw}"}',
      config: 'node: {pools: {default: 1}}\n',
    });
  });
  afterEach(() => mesh.stop());

  const start = (id: string, answer: string) => {
    const bin = join(emptyFolder(), 'openclaw');
    writeFileSync(bin, `#!/bin/sh\n[ "$1" = --version ] && echo "OpenClaw 2026.9.6" || echo '${answer}'\n`);
    chmodSync(bin, 0o755);
    return mesh.startNode(id, { env: { OPENCLAW_OF_THIS_MAC: bin } });
  };
  const REFUSED = '{"ok":false,"error":{"message":"authentication failed, HTTP 401"}}';

  it('closes the gate of that Mac, and runs its tasks on another', async () => {
    const refused = await start('mac-1', REFUSED);
    const id = await mesh.enqueue('hello');
    await refused.waitFor(/task failed/);
    await mesh.taskState(id, 'failed');
    expect(await mesh.task(id)).toMatchObject({ error: { kind: 'auth' } });

    await start('mac-2', '{"ok":true,"final":"done"}');
    const input = '{"message":"x"}\n'.repeat(6);
    const { code } = await runCli(['--config', mesh.config, 'enqueue', '--from', '-', '--wait'], { input });
    expect(code).toBe(0);
    const { tasks } = (await mesh.json('task', 'list', '--state', 'completed')) as { tasks: Task[] };
    expect(tasks.map((task) => task.node)).toEqual(Array(6).fill('mac-2'));
    expect(tasks.map((task) => task.attempts.made)).toEqual(Array(6).fill(1));
    const reassigned = tasks.filter((task) => task.history.some((entry) => entry.reason?.startsWith('auth on mac-1')));
    expect(reassigned.length).toBeLessThanOrEqual(1);
    await refused.waitFor(/"gate":"auth"/);
    await mesh.nodeState('mac-1', 'gated');
    const { gates } = await mesh.nodeRecord('mac-1');
    expect(gates.find(({ name }) => name === 'auth')?.reason).toMatch(
      /refuses the login of this node .*tries one task every/,
    );
  });

  it('fails a task at once if two Macs are refused its login', async () => {
    await start('mac-1', REFUSED);
    await start('mac-2', REFUSED);
    const id = await mesh.enqueue('hello');
    await mesh.taskState(id, 'failed');
    const task = await mesh.task(id);
    expect(task).toMatchObject({ state: 'failed', error: { kind: 'auth', retryable: false }, attempts: { made: 1 } });
    expect(new Set(task.history.flatMap((entry) => entry.node ?? []))).toEqual(new Set(['mac-1', 'mac-2']));
  });
});

/** What each Mac's openclaw makes of a task is written into a script of its own; `$message` is the task's. */
describe('failures that are not the provider’s', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({
      openclaw: 'mode: exec, exec: {bin: "${OPENCLAW_OF_THIS_MAC:-openclaw}"}',
      config: 'node: {pools: {default: 1}}\nqueue: {attempts: 3, backoff: {delay: 100ms, max: 500ms}}\n',
    });
  });
  afterEach(() => mesh.stop());

  const start = (id: string, script: string) => {
    const bin = join(emptyFolder(), 'openclaw');
    writeFileSync(
      bin,
      `#!/bin/sh\n[ "$1" = --version ] && echo "OpenClaw 2026.9.6" && exit\nmessage=$(cat)\n${script}\n`,
    );
    chmodSync(bin, 0o755);
    return mesh.startNode(id, { env: { OPENCLAW_OF_THIS_MAC: bin } });
  };
  const FINE = `echo '{"ok":true,"final":"done"}'`;
  const failing = (message: string) => `echo '{"ok":false,"error":{"message":"${message}"}}'`;
  const starts = (task: Task) => task.history.filter(({ event }) => event === 'claimed');

  it('tries one poison task as often as it has attempts, and leaves all others alone', async () => {
    const script = `case "$message" in *poison*) ${failing('request failed (provider internal error, HTTP 500)')};; *) sleep 0.1; ${FINE};; esac`;
    for (const id of ['mac-1', 'mac-2']) await start(id, script);
    const id = await mesh.enqueue('poison');
    await mesh.enqueueLines(Array.from({ length: 12 }, () => ({ message: 'x' })));
    await mesh.taskState(id, 'failed');
    await expect.poll(async () => (await mesh.snapshot()).pools.default?.completed).toBe(12);
    const task = await mesh.task(id);
    expect(task).toMatchObject({ error: { kind: 'provider' }, attempts: { made: 3, max: 3 } });
    expect(starts(task)).toHaveLength(3);
    const { events } = await mesh.json('events', '--limit', '1000');
    expect(events.filter(({ event }: { event: string }) => event === 'circuit-opened')).toEqual([]);
  });

  it('takes a sick Mac out of the mesh before it fails the whole queue', async () => {
    await start('mac-1', failing('the moon is in the wrong house'));
    await start('mac-2', `sleep 0.2; ${FINE}`);
    await start('mac-3', `sleep 0.2; ${FINE}`);
    await mesh.enqueueLines(Array.from({ length: 40 }, () => ({ message: 'x' })));
    await mesh.nodeState('mac-1', 'gated');
    const { gates } = await mesh.nodeRecord('mac-1');
    expect(gates.find(({ name }) => name === 'openclaw-health')?.reason).toMatch(/tasks in a row .* wrong house/);
    await expect.poll(async () => (await mesh.snapshot()).pools.default?.completed).toBe(40);
    const onSick = (await mesh.tasks()).flatMap(starts).filter(({ node }) => node === 'mac-1');
    // Five, perhaps one that was under way, and one each time that it tries again: after 30 s, 60 s, 120 s.
    expect(onSick.length).toBeGreaterThanOrEqual(5);
    expect(onSick.length).toBeLessThanOrEqual(10);
  });

  it('fails only the first task of a lone Mac that was never logged in', async () => {
    const node = await start('mac-1', failing('No route-compatible authentication source is configured for openai.'));
    const ids: string[] = [];
    for (const message of ['a', 'b', 'c', 'd']) ids.push(await mesh.enqueue(message));
    await node.waitFor(/"gate":"auth"/);
    await mesh.nodeState('mac-1', 'gated');
    const states = (await mesh.tasks()).map(({ state, error }) => `${state} ${error?.kind}`).sort();
    expect(states).toEqual(['failed auth', ...Array(3).fill('waiting undefined')]);
    const { problems } = await mesh.json('status');
    expect(problems).toContainEqual(
      expect.objectContaining({
        severity: 'error',
        what: expect.stringMatching(/mac-1 claims no tasks.*refuses the login/),
      }),
    );
  });
});
