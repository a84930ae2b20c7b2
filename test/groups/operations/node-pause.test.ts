import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestMesh, type TestMesh } from '../../support/pool.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('a paused node', () => {
  let mesh: ProcessMesh;
  let lab: TestMesh;
  beforeAll(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
    await mesh.startNodes('mac-1');
    lab = await openTestMesh(mesh.server.url, 'm');
  });
  afterAll(async () => {
    await lab.close();
    await mesh.stop();
  });

  const enqueue = async (message: string): Promise<string> => (await mesh.json('enqueue', message)).tasks[0].id;

  it('claims nothing and keeps its run, also after a restart, until its pause is over', async () => {
    const running = await enqueue('sleep 3s');
    await mesh.taskState(running, 'active');
    const paused = await mesh.json('node', 'pause', 'mac-1', '--for', '1h', '--note', 'new disk');
    expect(paused).toMatchObject({ id: 'mac-1', wanted: 'pause', running: [running] });
    await mesh.nodeState('mac-1', 'paused');
    const waiting = await enqueue('hello');
    await mesh.taskState(running, 'completed');
    expect((await mesh.json('task', 'show', waiting)).state).toBe('waiting');
    const reason = expect.stringMatching(/^paused by .+ at \S+Z, until \S+Z: new disk$/);
    const { gates } = await mesh.json('node', 'show', 'mac-1');
    expect(gates).toContainEqual({ name: 'paused', open: false, reason, fix: expect.stringContaining('node resume') });
    const { nodes, problems } = await mesh.json('status');
    expect(nodes).toMatchObject({ up: 0, paused: 1 });
    expect(problems).toContainEqual(
      expect.objectContaining({
        severity: 'notice',
        what: expect.stringMatching(/^node mac-1 claims no tasks: paused by .*: new disk$/),
        fix: expect.stringContaining('node resume'),
      }),
    );

    await mesh.kill('mac-1');
    await mesh.startNodes('mac-1');
    await mesh.nodeState('mac-1', 'paused');
    expect((await mesh.json('task', 'show', waiting)).state).toBe('waiting');

    await lab.redis.hset(lab.keys.control, 'mac-1', 'pause 1 2 {}');
    await mesh.taskState(waiting, 'completed');
    expect((await mesh.json('node', 'show', 'mac-1')).state).toBe('up');
    expect(await lab.redis.hexists(lab.keys.control, 'mac-1')).toBe(0);
  });
});
