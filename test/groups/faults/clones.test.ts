import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliProcess } from '../../support/cli.ts';
import { aNodeRecord } from '../../support/node-record.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';
import { sweepHow } from '../../support/sweep-how.ts';

const PRELOAD = fileURLToPath(new URL('../../support/preload/another-machine.mjs', import.meta.url));
const ANOTHER_MACHINE = { NODE_OPTIONS: `--import ${PRELOAD}` };

describe('several Macs with one node id', () => {
  let mesh: ProcessMesh;
  beforeEach(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  });
  afterEach(() => mesh.stop());

  it('refuses a clone of a node’s Mac, which has the same node id and host name, and leaves that node alone', async () => {
    const first = await mesh.startNode('mac-1', { env: ANOTHER_MACHINE });
    for (let starts = 0; starts < 2; starts++) {
      const clone = mesh.launchNode('mac-1', { env: ANOTHER_MACHINE });
      expect(await clone.exited).toBe(1);
      expect(clone.output).toMatch(
        /^clawmesh: node mac-1 is already up on \S+ \(192\.0\.2\.\d+\), another machine with this name \(give this Mac its own id \(CLAWMESH_NODE_ID\)\)$/m,
      );
    }
    expect((await mesh.nodeRecord('mac-1')).incarnation).toBe(1);
    expect(first.output).not.toContain('fenced');
    await first.kill();
  });

  it('lets exactly one of two clones win that start at the same moment, for good', async () => {
    const clones = Array.from({ length: 3 }, () => mesh.launchNode('mac-1', { env: ANOTHER_MACHINE }));
    const losers = () => clones.filter(({ child }) => child.exitCode !== null);
    await expect.poll(() => losers().map(({ child }) => child.exitCode)).toEqual([1, 1]);
    for (const loser of losers()) expect(loser.output).toContain('node mac-1 is already up on ');
    const winner = clones.find(({ child }) => child.exitCode === null) as CliProcess;
    await winner.waitFor(/node is up/);
    await mesh.nodeState('mac-1', 'up');
    const { incarnation, pid } = await mesh.nodeRecord('mac-1');
    expect(pid).toBe(winner.pid);
    expect(incarnation).toBeLessThanOrEqual(3);
    await winner.kill();
  });

  it('ends a node whose place a clone took while it was cut off', async () => {
    const first = await mesh.startNode('mac-1', { env: ANOTHER_MACHINE });
    mesh.freeze('mac-1');
    const clone = new CliProcess(['--config', mesh.config, 'node', 'run'], {
      CLAWMESH_NODE_ID: 'mac-1',
      ...ANOTHER_MACHINE,
    });
    await clone.waitFor(/node is up/);
    process.kill(first.pid, 'SIGCONT');
    expect(await first.exited).toBe(1);
    expect(first.output).toContain('node mac-1 is already up on ');
    expect((await mesh.nodeRecord('mac-1')).incarnation).toBe(2);
    await clone.kill();
  });

  it('gives a dead Mac’s id to the next daemon although its connection still looks open', async () => {
    const { registry, redis } = await mesh.store();
    const { incarnation } = await registry.register('mac-1', ['default'], 60_000);
    const record = aNodeRecord({ incarnation, host: hostname(), pid: 2 ** 22 + 1, leaseMs: 60_000 });
    await registry.beat({ nodeId: 'mac-1', incarnation }, record, sweepHow('mac-1'));
    const halfOpen = redis.duplicate();
    await halfOpen.subscribe(registry.presenceChannel({ nodeId: 'mac-1', incarnation }));
    await mesh.startNode('mac-1');
    expect((await mesh.nodeRecord('mac-1')).incarnation).toBe(incarnation + 1);
    halfOpen.disconnect();
  });

  it('lets an evicted node come back, and ignores nonsense on its channel', async () => {
    const node = await mesh.startNode('mac-1');
    const { registry, redis } = await mesh.store();
    const channel = registry.presenceChannel({ nodeId: 'mac-1', incarnation: 1 });
    for (const message of ['who', `who ${'x'.repeat(10_000)}`, 'who a b', '']) await redis.publish(channel, message);
    await mesh.cli('node', 'evict', 'mac-1');
    await expect.poll(async () => (await mesh.nodeRecord('mac-1')).incarnation).toBe(3);
    await mesh.nodeState('mac-1', 'up');
    expect(node.child.exitCode).toBeNull();
  });
});
