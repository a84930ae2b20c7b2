import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CliProcess } from '../../support/cli.ts';
import { reservePort } from '../../support/ports.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

describe('the web server of a node', () => {
  let mesh: ProcessMesh;

  beforeEach(async () => {
    mesh = await ProcessMesh.start();
  });
  afterEach(() => mesh.stop());

  const get = async (port: number, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    return { status: response.status, text: await response.text() };
  };
  const ready = async (port: number) => {
    const { status, text } = await get(port, '/readyz');
    return `${status} ${JSON.parse(text).reasons.join('; ')}`.trim();
  };

  it('reports health, readiness with its reasons, and metrics', async () => {
    const [one, two, board] = [await reservePort(), await reservePort(), await reservePort()];
    mesh.config = mesh.configWith(
      [
        `node: {pools: {default: 2}}`,
        `nodes: {mac-1: {listen: "127.0.0.1:${one}"}, mac-2: {listen: "127.0.0.1:${two}", dashboard: true}}`,
        `dashboard: {port: ${board}, token: "a-token-of-this-test"}`,
        '',
      ].join('\n'),
      // A node is not ready any more once its lease would have lapsed.
      { health: 'heartbeatInterval: 500ms, missedHeartbeats: 20' },
    );
    const token = { authorization: 'Bearer a-token-of-this-test' };
    const victim: CliProcess = await mesh.startNode('mac-1');
    await victim.waitFor(/serving \/healthz, \/readyz and \/metrics/);
    expect(await get(one, '/healthz')).toMatchObject({
      status: 200,
      text: expect.stringMatching(/"alive":true.*"mac-1"/),
    });
    await expect.poll(() => ready(one)).toBe('200');
    expect((await get(one, '/metrics')).status).toBe(401);

    await mesh.enqueue('hold');
    await mesh.starts(1);
    const survivor = await mesh.startNode('mac-2');
    await survivor.waitFor(/serving the dashboard/);
    await expect
      .poll(async () => (await get(one, '/metrics', token)).text)
      .toMatch(/clawmesh_heartbeat_seconds_count\S+ [2-9]/);
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await mesh.starts(2);
    mesh.ledger.release();
    const text = async () => (await get(two, '/metrics', token)).text;
    await expect.poll(text).toMatch(/clawmesh_runs_total\{pool="default",outcome="completed",.*\} 1/);
    expect(await text()).toMatch(/clawmesh_takeover_seconds_count\{.*reason="crash".*\} 1/);
    expect(await text()).toMatch(/clawmesh_handovers_total\{reason="crash".*\} 1/);
    expect(await text()).toMatch(/clawmesh_run_seconds_bucket\{le="\+Inf",.*outcome="completed"\} 1/);
    const whole = await get(board, '/metrics', token);
    expect(whole.text).toMatch(/clawmesh_mesh_nodes\{state="dead",mesh="m"\} 1/);
    expect(whole.text).toMatch(/clawmesh_mesh_tasks\{pool="default",state="completed",mesh="m"\} 1/);

    await mesh.cli('node', 'drain', 'mac-2');
    await expect.poll(() => ready(two)).toMatch(/^503 draining: /);
    await mesh.cli('node', 'resume', 'mac-2');
    await expect.poll(() => ready(two)).toBe('200');
    await mesh.server.down();
    await expect.poll(() => ready(two)).toMatch(/^503 Redis has accepted no heartbeat for \d+s/);
    // A restart would not help, so it lives.
    expect((await get(two, '/healthz')).status).toBe(200);
    expect((await get(board, '/readyz')).status).toBe(503);
    await mesh.server.up();
    await expect.poll(() => ready(two)).toBe('200');
    survivor.signal('SIGTERM');
    expect(await survivor.exited).toBe(0);
  });

  it('logs what it cannot serve, and lets the node work on', async () => {
    const taken = new URL(mesh.server.url).port;
    mesh.config = mesh.configWith(
      `node: {listen: "127.0.0.1:${taken}", dashboard: true}\ndashboard: {host: 0.0.0.0, port: ${await reservePort()}}\n`,
    );
    const node = await mesh.startNode('mac-1');
    await node.waitFor(/can't listen on 127.0.0.1:\d+ \(node.listen\)/);
    await node.waitFor(/dashboard.host is 0.0.0.0, which other machines can reach/);
    const id = await mesh.enqueue('0');
    await mesh.cli('task', 'wait', id);
    await mesh.allEnded();
  });
});
