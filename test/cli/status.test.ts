import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, writeConfig } from '../support/cli.ts';
import { claimNext, newTask, openTestMesh, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('limits of status and task list', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let cli: (...args: string[]) => ReturnType<typeof runCli>;

  beforeEach(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 's');
    const config = writeConfig(`mesh: s\nredis: {url: "${server.url}"}\n`);
    cli = (...args) => runCli(['--config', config, ...args]);
  });
  afterEach(async () => {
    await mesh.close();
    await server.stop();
  });

  it('counts what the output leaves out, and says how to see it', async () => {
    const node = await mesh.node('mac-1');
    await mesh.producer.enqueue(Array.from({ length: 100 }, () => newTask()));
    const first = await claimNext(node);
    for (let i = 1; i < 100; i++) await claimNext(node);
    await mesh.producer.enqueue(Array.from({ length: 30 }, () => newTask({ message: 'waits' })));
    const { stdout: status } = await cli('status');
    expect(status).toContain(first.taskId);
    expect(status).toMatch(/\n80 more; see clawmesh task list --state active --limit 100\n/);
    expect(JSON.parse((await cli('status', '--json')).stdout)).toMatchObject({ moreRunning: 80 });

    const { stdout, stderr } = await cli('task', 'list');
    expect(stdout.match(/waiting/g)).toHaveLength(20);
    expect(stderr).toBe('110 more tasks; see --limit; 100 of them are running: clawmesh task list --state active\n');
    expect(JSON.parse((await cli('task', 'list', '--state', 'waiting', '--json')).stdout)).toMatchObject({ more: 10 });
    expect((await cli('task', 'list', '--state', 'active', '--limit', '100')).stderr).toBe('');
  });
});
