import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emptyFolder } from '../../support/folders.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('a node whose journal cannot be written', () => {
  let mesh: ProcessMesh;
  const home = () => {
    const folder = emptyFolder();
    return { env: { CLAWMESH_HOME: folder }, nodes: join(folder, 'm', 'nodes') };
  };
  const gate = async (nodeId: string) =>
    (await mesh.nodeRecord(nodeId)).gates.find(({ name }) => name === 'journal')?.open;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
    mesh.config = mesh.configWith('queue: {visibilityTimeout: 1h}\n');
  });
  afterEach(() => mesh.stop());

  it('starts gated, says why, and claims tasks once the disk is repaired', async () => {
    const { env, nodes } = home();
    mkdirSync(join(nodes, '..'), { recursive: true });
    writeFileSync(nodes, 'a file where a folder should be');
    await mesh.startNode('mac-1', { env });
    await mesh.nodeState('mac-1', 'gated');
    expect(await gate('mac-1')).toBe(false);
    const id = await mesh.queueOne('0');
    rmSync(nodes);
    await mesh.taskState(id, 'completed');
    expect(await gate('mac-1')).toBe(true);
  });

  it('survives the end of a run while Redis is away, and delivers its outcome', async () => {
    const { env, nodes } = home();
    const node = await mesh.startNode('mac-1', { env });
    const id = await mesh.queueOne('hold');
    await mesh.starts(1);
    renameSync(nodes, `${nodes}-gone`);
    writeFileSync(nodes, 'a file where a folder should be');
    await mesh.server.down('SIGTERM');
    mesh.ledger.release();
    await node.waitFor(/can't keep outcomes on disk/);
    await mesh.server.up();
    await mesh.taskState(id, 'completed');
    expect(mesh.ledger.starts(id)).toHaveLength(1);
    await expect
      .poll(() => mesh.nodeRecord('mac-1'))
      .toMatchObject({ incarnation: 1, journal: { pending: 0, discarded: 0 } });
  });

  it('keeps its heartbeats while the folder is gone', async () => {
    const { env, nodes } = home();
    await mesh.startNode('mac-1', { env });
    rmSync(nodes, { recursive: true });
    writeFileSync(nodes, 'a file where a folder should be');
    const beats = async () => (await mesh.nodeRecord('mac-1')).uptimeMs;
    const before = await beats();
    await expect.poll(beats).toBeGreaterThan(before);
    await expect.poll(() => gate('mac-1')).toBe(false);
    const later = await beats();
    await expect.poll(beats).toBeGreaterThan(later);
    expect((await mesh.nodeRecord('mac-1')).state).toBe('gated');
  });
});

it('keeps the outcomes of two meshes of one name on two Redis servers apart', async () => {
  const [one, other] = [await ProcessMesh.start(), await ProcessMesh.start()];
  try {
    const env = { CLAWMESH_HOME: emptyFolder() };
    for (const mesh of [one, other]) mesh.config = mesh.configWith('queue: {visibilityTimeout: 1h}\n');
    const first = await one.startNode('mac-1', { env });
    const id = await one.queueOne('hold');
    await one.starts(1);
    await one.server.down('SIGTERM');
    one.ledger.release();
    await first.waitFor(/kept on disk until/);
    await first.kill();
    // The same node id, home and mesh name, on another Redis: it knows nothing of that task.
    const foreign = await other.startNode('mac-1', { env });
    await foreign.kill();
    expect(readdirSync(join(env.CLAWMESH_HOME, 'm', 'nodes', 'mac-1', 'outcomes'))).toHaveLength(2);
    await one.server.up();
    const second = one.launchNode('mac-1', { env });
    await second.waitFor(/delivering the outcome of the previous incarnation/);
    await one.taskState(id, 'completed');
    expect(one.ledger.starts(id)).toHaveLength(1);
  } finally {
    await one.stop();
    await other.stop();
  }
});
