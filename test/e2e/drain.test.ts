import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliProcess } from '../support/cli.ts';
import { ProcessMesh } from '../support/process-mesh.ts';

describe('a drain from another machine', () => {
  let mesh: ProcessMesh;
  beforeEach(async () => {
    mesh = await ProcessMesh.start();
  });
  afterEach(() => mesh.stop());

  it('waits until the run has ended, claims nothing in that time, and forgets the node once it has stopped', async () => {
    const node = await mesh.startNode('mac-1');
    const running = await mesh.queueOne('hold');
    await mesh.starts(1);
    const drain = new CliProcess(['--config', mesh.config, 'node', 'drain', 'mac-1', '--wait']);
    await drain.waitFor(/claims no more tasks; 1 still runs/);
    await mesh.nodeState('mac-1', 'draining');
    const waiting = await mesh.queueOne('hold');
    expect((await mesh.nodeRecord('mac-1')).running).toEqual([running]);
    expect(drain.live).toBe(true);
    mesh.ledger.release();
    expect(await drain.exited).toBe(0);
    expect(drain.output).toMatch(/mac-1 is drained: it runs no tasks\n$/);
    expect((await mesh.task(running)).state).toBe('completed');
    expect((await mesh.task(waiting)).state).toBe('waiting');
    expect((await mesh.cli('node', 'forget', 'mac-1')).code).toBe(1);
    node.signal('SIGTERM');
    expect(await node.exited).toBe(0);
    expect((await mesh.cli('node', 'forget', 'mac-1')).code).toBe(0);
    expect((await mesh.json('node', 'list')).nodes).toEqual([]);
    // The drain is forgotten with it.
    await mesh.startNode('mac-1');
    await mesh.taskState(waiting, 'completed');
  });
});
