import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway } from '../../support/openclaw.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { TestChat, writeTo } from '../../support/test-chat.ts';

/**
 * Two Macs with real gateways. Mac A has the chat and the plugin, and runs only tasks of the pool `a`; Mac B runs the
 * default pool.
 */
describe('a question in a chat', () => {
  const chat = new TestChat();
  let server: SpawnedRedis;
  let provider: FakeProvider;
  let gatewayA: Gateway;
  let gatewayB: Gateway;
  const nodes: CliProcess[] = [];
  let config: string;

  const configFor = (gateway: string, pool: string) =>
    writeConfig(
      `mesh: chat\nredis: {url: "${server.url}"}\nnode: {pools: {${pool}: 4}}\n` +
        `openclaw: {mode: gateway, gateway: {url: "${gateway}", token: ${GATEWAY_TOKEN}}}\n`,
    );
  const start = async (nodeId: string, gateway: Gateway, pool: string) => {
    const node = new CliProcess(['--config', configFor(gateway.url, pool), 'node', 'run'], {
      CLAWMESH_NODE_ID: nodeId,
    });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const json = async (...args: string[]) => {
    const { stdout, stderr } = await runCli(['--config', config, ...args, '--json']);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout);
  };
  const taskIn = (text: string): string => /task ([0-9a-hjkmnp-tv-z]{26})/.exec(text)?.[1] ?? '';
  const show = (id: string): Promise<Task> => json('task', 'show', id);

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    provider = await FakeProvider.start();
    // The plugin only uses the connection to Redis, and the name of the mesh.
    config = configFor('ws://127.0.0.1:1', 'default');
    [gatewayA, gatewayB] = await Promise.all([
      Gateway.start(provider.baseUrl, { chat: chat.folder, plugin: { config } }),
      Gateway.start(provider.baseUrl),
    ]);
    await Promise.all([start('mac-a', gatewayA, 'a'), start('mac-b', gatewayB, 'default')]);
  });
  afterAll(async () => {
    for (const node of nodes) await node.kill();
    await gatewayA?.down();
    await gatewayB?.down();
    await provider?.stop();
    await server?.stop();
  });

  it('shows the channels of a node', async () => {
    await expect.poll(async () => (await json('node', 'show', 'mac-a')).channels).toEqual(['testchat/default']);
    expect((await json('node', 'show', 'mac-b')).channels).toEqual([]);
  });

  it('by command runs on another Mac, and is answered in its thread', async () => {
    await writeTo(gatewayA.url, { from: 'ann', room: 'dev', threadId: 't9', text: '/mesh run what is 2+2?' });
    await expect.poll(() => chat.sent.length).toBe(2);
    const [queued, answer] = chat.sent;
    expect(queued).toMatchObject({ to: 'room:dev', threadId: 't9', text: expect.stringContaining('Queued task') });
    expect(answer).toMatchObject({ to: 'room:dev', threadId: 't9', text: expect.stringContaining('what is 2+2?') });
    const id = taskIn(queued?.text ?? '');
    await expect.poll(async () => (await show(id)).delivery?.state).toBe('delivered');
    expect(await show(id)).toMatchObject({
      node: 'mac-b',
      state: 'completed',
      origin: { channel: 'testchat', sender: 'ann' },
    });
  });

  it('by the tool runs on another Mac, and is answered in its room', async () => {
    const before = chat.sent.length;
    const params = JSON.stringify({ id: 'mesh_enqueue', args: { message: 'PROVIDER SAY all tests pass' } });
    await writeTo(gatewayA.url, { from: 'ann', room: 'ops', text: `PROVIDER TOOL tool_call ${params}` });
    await expect.poll(() => chat.sent.slice(before).map(({ text }) => text)).toContain('all tests pass');
    const answer = chat.sent.find(({ text }) => text === 'all tests pass');
    expect(answer).toMatchObject({ to: 'room:ops', threadId: null });
    const { tasks } = await json('task', 'list', '--limit', '1');
    expect(tasks[0]).toMatchObject({ node: 'mac-b', origin: { agent: 'main', channel: 'testchat', sender: 'ann' } });
  });

  it('tells the agent its task and that clawmesh sends its answer', async () => {
    const before = chat.sent.length;
    await writeTo(gatewayA.url, { from: 'bob', text: '/mesh run who are you?' });
    await expect.poll(() => chat.sent.length).toBe(before + 2);
    const id = taskIn(chat.sent[before]?.text ?? '');
    const [call] = provider.callsWith('who are you?');
    expect(call?.body).toContain(`This is a run of the clawmesh task ${id} on the node mac-b: attempt 1, handovers 0.`);
    expect(call?.body).toContain('clawmesh sends your final answer to testchat/default:user:bob when the run ends.');
  });

  it('is answered after the node of the channel was killed and is back', async () => {
    const before = chat.sent.length;
    await nodes[0]?.kill();
    await writeTo(gatewayA.url, { from: 'bob', text: '/mesh run PROVIDER SAY later' });
    const id = taskIn(chat.sent[before]?.text ?? '');
    await expect.poll(async () => (await show(id)).state).toBe('completed');
    expect(await show(id)).toMatchObject({ delivery: { state: 'pending' } });
    await start('mac-a', gatewayA, 'a');
    await expect.poll(() => chat.sent.at(-1)?.text).toBe('later');
    expect(chat.sent.slice(before).filter(({ text }) => text === 'later')).toHaveLength(1);
  });

  it('fails to be delivered to a recipient that does not exist, and says so', async () => {
    const { stdout } = await runCli(['--config', config, 'enqueue', 'hello', '--deliver', 'testchat/nosuch:user:ann']);
    const id = stdout.trim();
    await expect.poll(async () => (await show(id)).state).toBe('completed');
    expect((await json('status')).problems).toContainEqual(
      expect.objectContaining({ what: '1 answer waits for the channel testchat/nosuch, which no node has' }),
    );
  });

  // The last one, since the node rests after a refused login.
  it('is answered with the failure when its task fails', async () => {
    const before = chat.sent.length;
    await writeTo(gatewayA.url, { from: 'bob', text: '/mesh run PROVIDER 401' });
    await expect.poll(() => chat.sent.length, { timeout: 300_000 }).toBe(before + 2);
    expect(chat.sent.at(-1)).toMatchObject({ to: 'user:bob', text: expect.stringMatching(/^Task \S+ failed: /) });
  });
});
