import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnv, entry, runCli, writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { resultOf } from '../support/mcp.ts';
import { spawnOwned } from '../support/processes.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('clawmesh mcp', () => {
  let server: TestRedis;
  let config: string;
  beforeAll(async () => {
    server = await startRedis();
    config = writeConfig(`mesh: mcp\nredis: {url: "${server.url}"}\n`);
  });
  afterAll(() => server.stop());

  it.each([
    ['an earlier revision', 'legacy' as const],
    ['the newest revision', { pin: '2026-07-28' }],
  ])('serves a client of %s of the protocol over stdin and stdout', async (_, mode) => {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [entry, '--config', config, 'mcp', '--pool', 'web'],
      env: Object.fromEntries(Object.entries(cleanEnv()).map(([name, value = '']) => [name, value])),
      stderr: 'pipe',
    });
    const errors: Error[] = [];
    transport.onerror = (error) => errors.push(error);
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(transport);
    expect(client.getServerVersion()).toMatchObject({ name: 'clawmesh' });
    expect(client.getInstructions()).toContain('mesh_enqueue');
    const { tools } = await client.listTools();
    expect(tools[0]?.inputSchema.properties).toMatchObject({ pool: { enum: ['web'] } });
    const { document } = resultOf(await client.callTool({ name: 'mesh_enqueue', arguments: { message: 'x' } }));
    expect(document.tasks).toMatchObject([{ pool: 'web', state: 'waiting' }]);
    const [{ id }] = document.tasks as [{ id: string }];
    const stop = new AbortController();
    const wait = client.callTool(
      { name: 'mesh_wait', arguments: { ids: [id] } },
      { signal: stop.signal, onprogress: () => stop.abort('seen enough') },
    );
    await expect(wait).rejects.toThrow('seen enough');
    expect(resultOf(await client.callTool({ name: 'mesh_task', arguments: { id } })).document).toMatchObject({ id });
    await client.close();
    expect(errors).toEqual([]);
  });

  it('prints nothing but the protocol on stdout, survives garbage, and ends with its client', async () => {
    const child = spawnOwned(process.execPath, [entry, '--config', config, 'mcp', '--read-only'], {
      env: cleanEnv(),
      cwd: emptyFolder(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdin, stdout, stderr } = child;
    if (!stdin || !stdout || !stderr) throw new Error('no pipes');
    let log = '';
    stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const printed: string[] = [];
    createInterface({ input: stdout }).on('line', (line) => printed.push(line));
    const send = (message: object) => stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    stdin.write('this is no JSON\n{"jsonrpc":"2.0"}\n');
    const clientInfo = { name: 'test', version: '1' };
    send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } });
    send({ method: 'notifications/initialized' });
    send({ id: 2, method: 'tools/call', params: { name: 'mesh_list', arguments: {} } });
    const replies = () => printed.map((line) => JSON.parse(line) as { id?: number; result?: unknown });
    await expect
      .poll(() => replies().find(({ id }) => id === 2))
      .toMatchObject({
        result: { structuredContent: { tasks: expect.any(Array) } },
      });
    const exited = once(child, 'exit');
    stdin.end();
    expect(await exited).toEqual([0, null]);
    expect(printed.every((line) => (JSON.parse(line) as { jsonrpc: string }).jsonrpc === '2.0')).toBe(true);
    expect(log).not.toMatch(/^\s+at /m);
  });

  it.each([
    [['--pool', 'No Pool'], 'Expected a pool name'],
    [['--agent', 'a b'], 'Expected an agent id'],
    [['--read-only', '--pool', 'web'], "'--read-only' cannot be used with option '--pool"],
  ])('refuses %j with exit code 2', async (args, problem) => {
    const { code, stdout, stderr } = await runCli(['--config', config, 'mcp', ...args]);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(problem) });
    expect(stderr.trim()).not.toContain('\n');
  });
});
