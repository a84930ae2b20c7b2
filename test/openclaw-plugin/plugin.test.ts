import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import plugin from '../../openclaw-plugin/src/index.ts';
import type { CommandContext, PluginApi, ToolContext } from '../../openclaw-plugin/src/plugin-api.ts';
import { TOOL_NAMES } from '../../openclaw-plugin/src/tools.ts';
import { writeConfig } from '../support/cli.ts';
import { claimNext, meshPerTest, success } from '../support/pool.ts';

const TURN: ToolContext = {
  agentId: 'main',
  sessionKey: 'agent:main:slack:channel:c1',
  messageChannel: 'slack',
  deliveryContext: { channel: 'slack', to: 'channel:C1', accountId: 'work', threadId: '17.5' },
  requesterSenderId: 'U1',
};
const TYPED: CommandContext = {
  channel: 'slack',
  senderId: 'U1',
  isAuthorizedSender: true,
  from: 'slack:U1',
  to: 'channel:C1',
  accountId: 'work',
  messageThreadId: '17.5',
};

type ToolFactory = Parameters<PluginApi['registerTool']>[0];
type Command = Parameters<PluginApi['registerCommand']>[0];

/** The plugin as OpenClaw loads it. */
function load(pluginConfig: object) {
  const tools = new Map<string, ToolFactory>();
  const commands: Command[] = [];
  plugin.register({
    pluginConfig,
    registerTool: (factory, { name }) => void tools.set(name, factory),
    registerCommand: (command) => void commands.push(command),
  });
  const call = async (name: string, params: object, context: Partial<ToolContext> = {}) => {
    // Each call is a turn of its own, after which the connection is closed.
    const tool = tools.get(name)?.({ ...TURN, oneShotCliRun: true, ...context });
    if (!tool) throw new Error(`no tool ${name} in this turn`);
    const { content, details } = await tool.execute('call-1', params);
    return { text: content.map(({ text }) => text).join(''), details: details as Record<string, unknown> };
  };
  const type = async (args: string, context: Partial<CommandContext> = {}) =>
    (await commands[0]?.handler({ ...TYPED, ...context, args }))?.text ?? '';
  return { tools, commands, call, type };
}

describe('the plugin in OpenClaw', () => {
  const mesh = meshPerTest('plugin');
  let config: string;
  beforeEach(() => {
    const { target, keys } = mesh();
    if (target.kind !== 'shared') throw new Error('a mesh of a test has a Redis of its own');
    const name = /^\{clawmesh:(.+)\}$/.exec(keys.bullPrefix)?.[1];
    config = writeConfig(`mesh: ${name}\nredis: {url: "${target.config.url}"}\n`);
  });
  const only = async () => {
    const [task] = await mesh().reader.list({ limit: 10 });
    if (!task) throw new Error('nothing was queued');
    return task;
  };

  it('has the tools and the command that its manifest lists', () => {
    const manifest = JSON.parse(readFileSync('openclaw-plugin/openclaw.plugin.json', 'utf8'));
    const { tools, commands } = load({});
    expect(manifest.contracts.tools).toEqual(TOOL_NAMES);
    expect([...tools.keys()]).toEqual(TOOL_NAMES);
    expect(commands.map(({ name }) => name)).toEqual(manifest.commandAliases.map((one: { name: string }) => one.name));
  });

  it('queues a task whose answer goes to the thread of the question, and records who asked', async () => {
    const { call } = load({ config });
    const { text, details } = await call('mesh_enqueue', { message: 'run the tests', attempts: 2 });
    const task = await only();
    expect(text).toBe(`Queued task ${task.id} in pool default; its answer arrives here.`);
    expect(details).toEqual({ taskId: task.id, pool: 'default', duplicate: false, answersHere: true });
    expect(task).toMatchObject({
      message: 'run the tests',
      attempts: { max: 2 },
      origin: { channel: 'slack', sender: 'U1', agent: 'main', session: TURN.sessionKey },
      delivery: { state: 'pending', to: 'slack/work:channel:C1' },
    });
    const data = JSON.parse((await mesh().redis.hget(mesh().keys.task('default', task.id), 'data')) ?? '');
    expect(data.deliver).toEqual({ channel: 'slack', to: 'channel:C1', account: 'work', thread: '17.5' });
  });

  it('sends no answer if the agent asks for none, or if the question came from no chat', async () => {
    const { call } = load({ config });
    expect((await call('mesh_enqueue', { message: 'a', reply: false })).details).toMatchObject({ answersHere: false });
    const noChat = { deliveryContext: undefined, messageChannel: 'webchat' };
    expect((await call('mesh_enqueue', { message: 'b' }, noChat)).details).toMatchObject({ answersHere: false });
  });

  it('queues a repeated request with the same key once', async () => {
    const { call } = load({ config });
    const first = await call('mesh_enqueue', { message: 'a', key: 'k' });
    const second = await call('mesh_enqueue', { message: 'a', key: 'k' });
    expect(second.details).toMatchObject({ taskId: first.details.taskId, duplicate: true });
  });

  it('tells the state of the mesh and of a task, and cancels a task', async () => {
    const { call } = load({ config });
    const id = (await call('mesh_enqueue', { message: 'a' })).details.taskId as string;
    expect((await call('mesh_status', {})).text).toMatch(/^Mesh plugin\d+: no nodes\ndefault: 1 waiting, 0 running/);
    expect((await call('mesh_task', { id })).text).toBe(`Task ${id} is waiting`);
    expect((await call('mesh_cancel', { id })).text).toBe(`Task ${id} is cancelled.`);
    expect((await call('mesh_task', { id })).text).toContain('cancelled by agent main in a chat');
  });

  it('works by command, without a model', async () => {
    const { type } = load({ config });
    expect(await type('run what is 2+2?')).toMatch(/^Queued task \S+ in pool default; its answer arrives here\.$/);
    const node = await mesh().node('mac-1');
    await node.report(await claimNext(node), success);
    const { id, delivery } = await only();
    expect(delivery).toMatchObject({ state: 'pending', to: 'slack/work:channel:C1' });
    expect(await type(`task ${id}`)).toBe(`Task ${id} is completed on mac-1\n\ndone`);
    expect(await type(' STATUS ')).toContain('default: 0 waiting');
    expect(await type('')).toContain('/mesh run <prompt>');
    expect(await type('dance')).toMatch(/^There is no \/mesh dance\.\n/);
    expect(await type('run')).toBe('What should the task do? /mesh run <prompt>');
    expect(await type('task')).toBe('Which task? /mesh task <id>');
  });

  it('gives sandboxed agents, other agents and other senders no tool', () => {
    const { tools } = load({ config, allowAgents: ['main'], allowSenders: ['slack:U1'] });
    const create = tools.get('mesh_enqueue') as ToolFactory;
    expect(create(TURN)).not.toBeNull();
    expect(create({ ...TURN, sandboxed: true })).toBeNull();
    expect(create({ ...TURN, agentId: 'guest' })).toBeNull();
    expect(create({ ...TURN, requesterSenderId: 'U2' })).toBeNull();
    expect(create({ ...TURN, requesterSenderId: undefined })).toBeNull();
    expect(create({ ...TURN, deliveryContext: { channel: 'telegram' } })).toBeNull();
  });

  it('refuses the command of a sender who may not use it', async () => {
    const { type } = load({ config, allowSenders: ['slack:U9'] });
    expect(await type('run rm -rf /')).toMatch(/^You may not use the mesh/);
    expect(await mesh().reader.list({ limit: 1 })).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ['a message of 2 MiB', { message: 'x'.repeat(2 * 1_048_576) }, /message: is longer than 1 MiB/],
    ['an empty message', { message: ' ' }, /message: must not be empty/],
    ['an unknown node', { message: 'a', node: 'mac-9' }, /no node mac-9/],
    ['an impossible pool', { message: 'a', pool: 'Xcode!' }, /pool: expected a pool name/],
    ['a wrong type', { message: 7 }, /^mesh_enqueue: message: /],
    ['an unknown parameter', { message: 'a', shell: 'rm' }, /shell/],
    ['no parameters', {}, /^mesh_enqueue: message: /],
  ])('answers %s with one line, and queues nothing', async (_, params, problem) => {
    const { call } = load({ config });
    const { text, details } = await call('mesh_enqueue', params);
    expect(text).toMatch(problem);
    expect(text).not.toContain('\n');
    expect(details).toEqual({ problem: expect.any(String) });
    expect(await mesh().reader.list({ limit: 1 })).toEqual([]);
  });

  it.each<[string, object]>([
    ['a thread of 10 KB', { threadId: 'x'.repeat(10_240) }],
    ['a recipient with control characters', { to: 'C1\u001b]0;owned\u0007' }],
    ['a channel that is none', { channel: '../../etc' }],
    ['an account with spaces', { accountId: 'a b' }],
  ])('queues nothing for a chat with %s', async (_, hostile) => {
    const { call } = load({ config });
    const context = { deliveryContext: { ...TURN.deliveryContext, ...hostile } };
    const { text } = await call('mesh_enqueue', { message: 'a' }, context);
    expect(text).toMatch(/^deliver\.\w+: .* \(nothing was queued\)$/);
    expect(await mesh().reader.list({ limit: 1 })).toEqual([]);
  });

  it('answers an unknown task with one line', async () => {
    const { call } = load({ config });
    expect((await call('mesh_task', { id: 'nosuch' })).text).toBe('no task nosuch (see clawmesh task list)');
  });
});

describe('the plugin without a mesh', () => {
  let link: ReturnType<typeof load> | undefined;
  afterEach(() => {
    link = undefined;
  });

  it('answers with one line when Redis is away, and keeps trying at later requests', async () => {
    link = load({ config: writeConfig('mesh: m\nredis: {url: "redis://127.0.0.1:1"}\n') });
    for (let request = 0; request < 2; request++) {
      const text = await link.type('status');
      expect(text).toMatch(/redis:\/\/127\.0\.0\.1:1|Redis/);
      expect(text).not.toContain('\n');
    }
  });

  it('answers with one line when there is no config', async () => {
    link = load({ config: '/nowhere/clawmesh.yaml' });
    expect(await link.type('status')).toMatch(/\/nowhere\/clawmesh\.yaml/);
  });
});
