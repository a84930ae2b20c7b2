import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Mesh } from '../../../src/client/mesh.ts';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import type { Task } from '../../../src/domain/task.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import type { RedisTarget } from '../../../src/redis/connection.ts';
import { openClient } from '../../support/client.ts';
import { connectMcp, expectForm, type McpPair } from '../../support/mcp.ts';
import { aNodeRecord } from '../../support/node-record.ts';
import { claimNext, meshPerTest, newTask, success, type TestMesh } from '../../support/pool.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { sweepHow } from '../../support/sweep-how.ts';

const UNKNOWN = '01kbv2m6s3v5w8q0r4t7y9z1x2';

describe('the MCP tools', () => {
  const mesh = meshPerTest('mcp');
  let mcp: McpPair;
  let client: Mesh;
  beforeEach(async () => {
    client = await openClient(mesh());
    mcp = await connectMcp(async () => client);
  });
  afterEach(() => mcp.close());

  const upNode = async (id: string) => {
    const consumer = await mesh().node(id);
    const pools = { default: { concurrency: 1, running: 0 } };
    const record = aNodeRecord({ pools, leaseMs: 600_000, labels: { os: 'macos' } });
    await mesh().registry.beat({ nodeId: id, incarnation: 1 }, record, sweepHow(id));
    return consumer;
  };
  const complete = async (node: Awaited<ReturnType<TestMesh['node']>>, text = 'done') => {
    const claim = await claimNext(node);
    await node.report(claim, { ok: true, result: { ...success.result, text } });
    return claim.taskId;
  };
  const enqueue = async (args: Record<string, unknown> = {}) => {
    const { document } = await mcp.call('mesh_enqueue', { message: 'hello', ...args });
    return (document.tasks as { id: string; state: string; duplicate: boolean }[])[0] as { id: string };
  };
  const none = async () => expect(await client.list()).toEqual([]);

  it('are offered with their effects, and without those that change something to a read-only server', async () => {
    const { tools } = await mcp.client.listTools();
    const effects = tools.map(({ name, annotations }) => [
      name,
      annotations?.readOnlyHint,
      annotations?.destructiveHint,
    ]);
    const reading = ['mesh_wait', 'mesh_task', 'mesh_list', 'mesh_logs', 'mesh_status'];
    expect(effects).toEqual([
      ['mesh_enqueue', false, false],
      ...reading.map((name) => [name, true, undefined]),
      ['mesh_cancel', false, true],
    ]);
    const viewer = await connectMcp(() => openClient(mesh()), { readOnly: true });
    expect((await viewer.client.listTools()).tools.map(({ name }) => name)).toEqual(reading);
    const refused = await viewer.call('mesh_enqueue', { message: 'x' }).catch((error: Error) => error.message);
    expect(JSON.stringify(refused)).toContain('mesh_enqueue');
    await viewer.close();
    await none();
  });

  it('queue a task, and say why it does not run', async () => {
    const { document, text, isError } = await mcp.call('mesh_enqueue', {
      message: 'hello',
      tags: { repo: 'x' },
      priority: 2,
    });
    expectForm('enqueue', document);
    const [task] = await client.list();
    expect(task).toMatchObject({ message: 'hello', tags: { repo: 'x' }, priority: 2, pool: 'default' });
    expect(isError).toBe(false);
    expect(text).toContain(`queued task ${task?.id} in pool default`);
    expect(text).toContain('it waits: no node is up (start one: clawmesh node run)');
    expect(mcp.log.join('')).toContain(task?.id);
  });

  it('queue a task whose answer goes into a chat', async () => {
    const { id } = await enqueue({ deliver_to: 'slack/work:C0123:4' });
    expect(await client.get(id)).toMatchObject({ delivery: { state: 'pending', to: 'slack/work:C0123:4' } });
    expect((await mcp.call('mesh_task', { id })).text).toContain(
      'delivery of the answer to slack/work:C0123:4: pending',
    );
  });

  it('queue one task per idempotency key', async () => {
    const first = await enqueue({ key: 'once' });
    const { document, text } = await mcp.call('mesh_enqueue', { message: 'other', key: 'once' });
    expect(document.tasks).toMatchObject([{ id: first.id, duplicate: true, state: 'waiting' }]);
    expect(text).toMatch(/^nothing was queued: the task with this key is \w+, waiting/);
    expect(await client.list()).toHaveLength(1);
  });

  it('queue a task once although the reply to its first request is lost', async () => {
    const { enqueueParsed } = client.task;
    vi.spyOn(client.task, 'enqueueParsed').mockImplementationOnce(async (tasks) => {
      await enqueueParsed.call(client.task, tasks);
      throw new Error('Connection is closed.');
    });
    expect(await enqueue()).toMatchObject({ duplicate: false });
    expect(await client.list()).toHaveLength(1);
  });

  it('outlast a short outage of Redis', async () => {
    vi.spyOn(client, 'list').mockRejectedValueOnce(new Error('Connection is closed.'));
    expect(await mcp.call('mesh_list')).toMatchObject({ isError: false, text: 'no matching tasks' });
  });

  it('return the answer of a task that ends within wait_ms', async () => {
    const node = await upNode('mac-1');
    const answer = mcp.call('mesh_enqueue', { message: 'hello', wait_ms: 60_000 });
    await complete(node, 'the answer');
    const { document, text } = await answer;
    expectForm('enqueue --wait', document);
    expect(document.tasks).toMatchObject([{ state: 'completed', result: { text: 'the answer' }, error: null }]);
    expect(text).toContain('completed on mac-1');
    expect(text).toMatch(/answer of the agent:\nthe answer$/);
  });

  it('return the id of a task that does not end within wait_ms', async () => {
    const { document, text } = await mcp.call('mesh_enqueue', { message: 'hello', wait_ms: 1 });
    expect(document.tasks).toMatchObject([{ state: 'waiting' }]);
    expect(text).toContain('it is waiting. For its answer, call mesh_wait');
  });

  it.each([
    ['no message', {}, 'message'],
    ['an empty message', { message: ' ' }, 'message: must not be empty'],
    ['a message of 2 MiB', { message: 'x'.repeat(2_097_152) }, 'longer than 1 MiB'],
    ['a message that is longer than 1 MiB only as UTF-8', { message: 'ä'.repeat(600_000) }, 'longer than 1 MiB'],
    ['a number as a message', { message: 7 }, 'expected string'],
    ['an unknown argument', { message: 'x', mesage: 'y' }, 'mesage'],
    ['a wrong pool', { message: 'x', pool: 'No Pool' }, 'expected a pool name'],
    ['a wrong duration', { message: 'x', timeout: '5 parsecs' }, 'timeout: expected a duration'],
    ['a wait that is too long', { message: 'x', wait_ms: 60_001 }, 'wait_ms'],
    ['a chat without a recipient', { message: 'x', deliver_to: 'slack' }, 'deliver_to: expected <channel>:<to>'],
    ['a wrong channel', { message: 'x', deliver_to: 'No Slack:C1' }, 'deliver'],
    ['an unknown node', { message: 'x', node: 'mac-7' }, 'no node mac-7'],
    ['an unknown task before it', { message: 'x', after: [UNKNOWN] }, `no task ${UNKNOWN}`],
  ])('queue nothing for %s', async (_, args, problem) => {
    const { text, isError } = await mcp.call('mesh_enqueue', args);
    expect({ text, isError }).toEqual({ text: expect.stringContaining(problem), isError: true });
    expect(text.length).toBeLessThan(500);
    expect(text).not.toContain('\n');
    await none();
  });

  it('use only the pools and agents that the operator allows, the first ones by default', async () => {
    const limited = await connectMcp(() => openClient(mesh()), { pools: ['xcode', 'web'], agents: ['coder'] });
    await limited.call('mesh_enqueue', { message: 'x' });
    expect(await client.list()).toMatchObject([{ pool: 'xcode', agent: 'coder' }]);
    const other = await enqueue();
    for (const args of [{ pool: 'default' }, { agent: 'main' }, { session: 'agent:main:main' }]) {
      expect(await limited.call('mesh_enqueue', { message: 'x', ...args })).toMatchObject({ isError: true });
    }
    expect(await limited.call('mesh_cancel', { id: other.id })).toMatchObject({
      isError: true,
      text: 'this server may not use pool default (allowed: xcode, web)',
    });
    expect(await client.list()).toHaveLength(2);
    expect(
      await limited.call('mesh_enqueue', { message: 'x', pool: 'web', session: 'agent:coder:chat' }),
    ).toMatchObject({
      isError: false,
    });
    await limited.close();
  });

  it('show a task as the command line does', async () => {
    const node = await upNode('mac-1');
    const { id } = await enqueue();
    await complete(node);
    const { document, text } = await mcp.call('mesh_task', { id });
    expectForm('task show', document);
    expect(document).toEqual({ ...(await client.get(id)), waitingFor: null, cut: [] });
    expect(text).toContain(`task ${id} in pool default: completed on mac-1`);
  });

  it('return a long answer in parts, and everything else that is long cut', async () => {
    const node = await upNode('mac-1');
    const { id } = await enqueue({ message: 'm'.repeat(5_000) });
    const answer = '😀b'.repeat(15_000);
    await complete(node, answer);
    let whole = '';
    for (let from: number | undefined = 0; from !== undefined; ) {
      const { document, text } = await mcp.call('mesh_task', { id, result_from: from });
      const { result, message } = document as unknown as Task;
      whole += result?.text;
      expect(message).toHaveLength(2_000);
      expect(text.length).toBeLessThan(10_000);
      const next: string | undefined = /call mesh_task with result_from: (\d+)/.exec(text)?.[1];
      from = next === undefined ? undefined : Number(next);
    }
    expect(whole).toBe(answer);
  });

  it('prevent the text of a task from controlling a terminal', async () => {
    const node = await upNode('mac-1');
    const { id } = await enqueue();
    await complete(node, 'red \u001b[31malert\u001b[0m \u202e\u009b2J');
    const { text } = await mcp.call('mesh_task', { id });
    expect(text).toContain('red alert');
    for (const control of ['\u001b', '\u009b', '\u202e']) expect(text).not.toContain(control);
  });

  it('list matching tasks without what is long', async () => {
    const ids = [await enqueue({ tags: { a: '1' } }), await enqueue({ message: 'l'.repeat(9_000) }), await enqueue()];
    const all = await mcp.call('mesh_list', { limit: 2 });
    expectForm('task list', all.document);
    expect(all.document).toMatchObject({ more: null, tasks: [{ id: ids[2]?.id }, { id: ids[1]?.id }] });
    expect(all.text).toContain('there are more tasks');
    expect(JSON.stringify(all.document).length).toBeLessThan(4_000);
    expect(all.document.cut).toContain('tasks[].message: at most 200 characters');
    const tagged = await mcp.call('mesh_list', { tags: { a: '1' }, state: 'waiting', pool: 'default' });
    expect(tagged.document).toMatchObject({ more: 0, tasks: [{ id: ids[0]?.id }] });
    expect((await mcp.call('mesh_list', { state: 'failed' })).text).toBe('no matching tasks');
  });

  it('return the last lines of a log, and the others on request', async () => {
    const node = await upNode('mac-1');
    const { id } = await enqueue();
    expect((await mcp.call('mesh_logs', { id })).text).toBe(`task ${id} is waiting and has no log lines`);
    const claim = await claimNext(node);
    const lines = Array.from({ length: 300 }, (_, index) => `line ${index}`);
    await node.log(claim, lines, undefined);
    const last = await mcp.call('mesh_logs', { id });
    expectForm('task logs', last.document);
    expect(last.document).toMatchObject({ lines: lines.slice(200), from: 200, total: 300 });
    expect(last.text).toMatch(/\nfor earlier lines, call mesh_logs with from: 100$/);
    const middle = await mcp.call('mesh_logs', { id, from: 100, limit: 50 });
    expect(middle.document).toMatchObject({ lines: lines.slice(100, 150), from: 100 });
    expect(middle.text).toMatch(/\nfor later lines, call mesh_logs with from: 150$/);
    expect((await mcp.call('mesh_logs', { id, from: 999 })).document).toMatchObject({ lines: [], from: 300 });
  });

  it('return no more of a log than fits', async () => {
    const node = await upNode('mac-1');
    const { id } = await enqueue();
    await node.log(
      await claimNext(node),
      Array.from({ length: 100 }, () => 'x'.repeat(4_000)),
      undefined,
    );
    for (const args of [{ id }, { id, from: 0 }]) {
      const { document, text } = await mcp.call('mesh_logs', args);
      expect(text.length).toBeLessThan(9_000);
      expect(document.lines).toHaveLength(7);
      expect(document.from).toBe('from' in args ? 0 : 93);
      expect(document.cut).toContain('lines: at most 1000 characters each');
    }
  });

  it('wait until all tasks have ended', async () => {
    const node = await upNode('mac-1');
    const tasks = [await enqueue(), await enqueue()];
    const ids = tasks.map(({ id }) => id);
    const seen: string[] = [];
    const result = mcp.client.callTool(
      { name: 'mesh_wait', arguments: { ids, timeout_ms: 600_000 } },
      { onprogress: ({ message = '' }) => void seen.push(message) },
    );
    await expect.poll(() => seen).toContain('0 of 2 tasks have ended');
    await complete(node, 'first');
    await complete(node, 'second');
    const { structuredContent } = await result;
    expectForm('task wait', structuredContent);
    expect(structuredContent).toMatchObject({
      tasks: [
        { id: ids[0], result: { text: 'first' } },
        { id: ids[1], result: { text: 'second' } },
      ],
      pending: [],
    });
  });

  it('return the tasks as they are after timeout_ms', async () => {
    const { id } = await enqueue();
    const { document, text, isError } = await mcp.call('mesh_wait', { ids: [id, id], timeout_ms: 0 });
    expect(document).toMatchObject({ tasks: [{ id, state: 'waiting' }], pending: [id] });
    expect(text).toContain(`1 task not ended yet; call mesh_wait again with: ${id}`);
    expect(isError).toBe(false);
  });

  it('stop a wait that the client cancels, and leave the task alone', async () => {
    const { id } = await enqueue();
    const waits = vi.spyOn(client, 'wait');
    const controller = new AbortController();
    const call = mcp.client.callTool({ name: 'mesh_wait', arguments: { ids: [id] } }, { signal: controller.signal });
    call.catch(() => {}); // awaited below
    await expect.poll(() => waits.mock.calls.length).toBe(1);
    controller.abort('enough');
    await expect(call).rejects.toThrow('enough');
    await expect.poll(() => waits.mock.settledResults.map(({ type }) => type)).toEqual(['rejected']);
    expect(mcp.log.join('')).not.toContain('a tool failed');
    expect(await client.get(id)).toMatchObject({ state: 'waiting' });
  });

  it('cancel a task, and say what has happened', async () => {
    const { id } = await enqueue();
    const { document, text } = await mcp.call('mesh_cancel', { id, reason: 'not needed' });
    expectForm('task cancel', document);
    expect({ document, text }).toEqual({
      document: { tasks: [{ id, outcome: 'cancelled' }], errors: [] },
      text: `task ${id} is cancelled`,
    });
    const task = await client.get(id);
    expect(task).toMatchObject({ state: 'cancelled' });
    expect(JSON.stringify(task?.history)).toMatch(/cancelled through MCP on .*: not needed/);
    expect(await mcp.call('mesh_cancel', { id })).toMatchObject({
      isError: true,
      text: `nothing was cancelled: task ${id} is already cancelled (see mesh_task)`,
    });
  });

  it('report an unexpected error in one line, and log where it comes from', async () => {
    vi.spyOn(client, 'list').mockRejectedValueOnce(new Error('odd\nerror'));
    expect(await mcp.call('mesh_list')).toMatchObject({ isError: true, text: 'unexpected error: odd error' });
    expect(mcp.log.join('')).toMatch(/a tool failed/);
    expect(mcp.log.join('')).toContain('tools.test.ts');
  });

  it('show the whole mesh', async () => {
    await upNode('mac-1');
    await mesh().producer.enqueue([newTask({ pool: 'xcode' })]);
    const { document, text } = await mcp.call('mesh_status');
    expectForm('status', document);
    expect(document).toMatchObject({
      nodes: { up: 1 },
      nodeList: [{ id: 'mac-1', state: 'up', labels: { os: 'macos' }, reason: null }],
      pools: { xcode: { waiting: 1 } },
    });
    expect(text).toContain('node mac-1: up · default 0/1 · os=macos');
    expect(text).toContain('pool xcode: 1 waiting');
    expect(text).toContain('no node serves pool xcode');
  });

  it.each([
    ['mesh_task', { id: UNKNOWN }],
    ['mesh_logs', { id: UNKNOWN }],
    ['mesh_cancel', { id: UNKNOWN }],
    ['mesh_wait', { ids: [UNKNOWN] }],
  ])('%s refuses an unknown id in one line', async (name, args) => {
    expect(await mcp.call(name, args)).toMatchObject({
      isError: true,
      text: `no task ${UNKNOWN} (see clawmesh task list)`,
    });
  });
});

describe('the arguments of the MCP tools', () => {
  let mcp: McpPair;
  let connects: number;
  beforeEach(async () => {
    connects = 0;
    mcp = await connectMcp(async () => {
      connects++;
      throw new Error('no mesh');
    });
  });
  afterEach(() => mcp.close());

  it.each([
    ['mesh_task', 'an id that is too long', { id: 'x'.repeat(101) }],
    ['mesh_task', 'a number as an id', { id: 5 }],
    ['mesh_task', 'no id', {}],
    ['mesh_list', 'an unknown state', { state: 'lost' }],
    ['mesh_list', 'a limit that is too high', { limit: 51 }],
    ['mesh_list', 'too many tags', { tags: Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`t${n}`, 'x'])) }],
    ['mesh_logs', 'a negative line', { id: UNKNOWN, from: -1 }],
    ['mesh_wait', 'no ids', { ids: [] }],
    ['mesh_wait', 'too many ids', { ids: Array.from({ length: 21 }, () => UNKNOWN) }],
    ['mesh_wait', 'a text instead of a list', { ids: UNKNOWN }],
    ['mesh_cancel', 'a reason that is too long', { id: UNKNOWN, reason: 'x'.repeat(201) }],
    ['mesh_status', 'an unknown argument', { all: true }],
  ])('of %s are refused for %s, without asking the mesh', async (name, _, args) => {
    const { text, isError } = await mcp.call(name, args);
    expect({ isError, connects }).toEqual({ isError: true, connects: 0 });
    expect(text).toContain('Invalid arguments');
  });
});

describe('the MCP tools of a mesh that is away', () => {
  const EVERY_TOOL: readonly (readonly [string, Record<string, unknown>])[] = [
    ['mesh_enqueue', { message: 'x', key: 'k' }],
    ['mesh_wait', { ids: [UNKNOWN], timeout_ms: 0 }],
    ['mesh_task', { id: UNKNOWN }],
    ['mesh_list', {}],
    ['mesh_logs', { id: UNKNOWN }],
    ['mesh_status', {}],
    ['mesh_cancel', { id: UNKNOWN }],
  ];
  let server: SpawnedRedis;
  let mcp: McpPair;
  beforeEach(async () => {
    server = await SpawnedRedis.start();
    const config = configSchema.parse({ mesh: 'away', redis: { url: server.url } });
    const target: RedisTarget = { kind: 'shared', config: config.redis as NonNullable<Config['redis']> };
    mcp = await connectMcp(() => Mesh.connect(config, target, { role: 'service', clock: systemClock }));
  });
  afterEach(async () => {
    await mcp.close();
    await server.stop();
  });

  const eachRefuses = () =>
    Promise.all(
      EVERY_TOOL.map(async ([name, args]) => {
        const { text, isError } = await mcp.call(name, args);
        expect({ name, isError }).toEqual({ name, isError: true });
        expect(text).toMatch(/^Redis at 127\.0\.0\.1:\d+: connection (?:refused|lost) \(.+\)$/);
      }),
    );

  it('name the problem and its remedy in one line, and work once it is there', async () => {
    await server.down();
    await eachRefuses();
    await server.up();
    expect(await mcp.call('mesh_enqueue', { message: 'x' })).toMatchObject({ isError: false });
  });

  it('do the same if it goes away later, and work once it is back', async () => {
    expect(await mcp.call('mesh_list')).toMatchObject({ isError: false });
    await server.down();
    await eachRefuses();
    await server.up();
    expect(await mcp.call('mesh_list')).toMatchObject({ isError: false, text: 'no matching tasks' });
  });

  it('say how to queue a task once although it may have been queued', async () => {
    await server.down();
    const { text } = await mcp.call('mesh_enqueue', { message: 'x' });
    expect(text).toMatch(/to try again without queuing it twice, call mesh_enqueue with key: mcp-[0-9a-z]{26}\)$/);
  });
});
