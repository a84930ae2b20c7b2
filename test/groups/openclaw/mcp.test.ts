import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnv, entry, writeConfig } from '../../support/cli.ts';
import { openclawHome } from '../../support/openclaw.ts';
import { openclawEntry } from '../../support/openclaw-paths.ts';
import { startRedis, type TestRedis } from '../../support/test-redis.ts';

const run = promisify(execFile);

describe('the MCP client of the real OpenClaw', () => {
  let server: TestRedis;
  let openclaw: (...args: string[]) => Promise<string>;
  beforeAll(async () => {
    server = await startRedis();
    // No agent runs, so the addresses are not used.
    const env = cleanEnv(openclawHome('http://127.0.0.1:9', 9).env);
    openclaw = async (...args) => (await run(process.execPath, [openclawEntry, 'mcp', ...args], { env })).stdout;
  });
  afterAll(() => server.stop());

  it('adds clawmesh, finds nothing wrong with it, and lists its tools', async () => {
    const config = writeConfig(`mesh: oc\nredis: {url: "${server.url}"}\n`);
    const args = [entry, 'mcp', '--config', config].flatMap((arg) => ['--arg', arg]);
    expect(await openclaw('add', 'clawmesh', '--command', process.execPath, ...args)).toContain('Saved MCP server');
    expect(await openclaw('doctor', 'clawmesh', '--probe')).toContain('- clawmesh: ok');
    const { tools, diagnostics } = JSON.parse(await openclaw('probe', 'clawmesh', '--json'));
    expect(diagnostics).toEqual([]);
    const names = ['cancel', 'enqueue', 'list', 'logs', 'status', 'task', 'wait'];
    expect(tools).toEqual(names.map((name) => `clawmesh__mesh_${name}`));
  });
});
