import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('clawmesh drill failover', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
  });
  afterEach(() => mesh.stop());

  /** Whether it was quick enough is for the mesh's owner to see; that it says so truly is tested here. */
  const drill = async (...args: string[]) => {
    const { code, stdout, stderr } = await mesh.cli('drill', 'failover', '--json', ...args);
    const report = stdout ? JSON.parse(stdout) : undefined;
    if (report) {
      const inTime = report.promisedMs === null || report.totalMs <= report.promisedMs;
      expect({ code, ok: report.ok }).toEqual({ code: inTime ? 0 : 1, ok: inTime });
    }
    return { code, stderr, report };
  };

  it('takes a node down for real and reports the measured times', async () => {
    const [victim] = await mesh.startNodes('mac-1', 'mac-2');
    await mesh.presenceSeen('mac-1');
    const { report } = await drill('--node', 'mac-1');
    expect(await victim?.exited).toBeNull();
    expect(report).toMatchObject({ node: 'mac-1', kind: 'crash', lost: 0, unexplained: 0 });
    expect(report.totalMs).toBeGreaterThan(900); // most of the crash grace
    expect(mesh.ledger.starts()).toEqual([]);
  });

  it('freezes a node, which comes back on its own', async () => {
    mesh.config = mesh.configWith('', { health: 'heartbeatInterval: 1s, missedHeartbeats: 5' });
    const [, victim] = await mesh.startNodes('mac-1', 'mac-2');
    const { report } = await drill('--node', 'mac-2', '--kill', 'freeze');
    expect(report).toMatchObject({ node: 'mac-2', kind: 'freeze', lost: 0, unexplained: 0 });
    await victim?.waitFor(/fenced[\s\S]*node is up/);
  });

  it('drains a node: its runs end there, and the node resumes afterwards', async () => {
    await mesh.startNodes('mac-1', 'mac-2');
    const { report } = await drill('--node', 'mac-1', '--kill', 'drain');
    expect(report).toMatchObject({ node: 'mac-1', kind: 'drain', lost: 0, unexplained: 0 });
    await mesh.nodeState('mac-1', 'up');
  });

  it('refuses a drill without a second node, and requires --yes for a busy mesh', async () => {
    await mesh.startNode('mac-1');
    expect(await drill()).toMatchObject({ code: 1, stderr: expect.stringContaining('a failover requires two') });
    await mesh.startNode('mac-2');
    await mesh.queueOne('hold');
    await mesh.starts(1);
    expect(await drill()).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  });
});
