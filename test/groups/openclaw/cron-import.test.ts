import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import type { JobReport } from '../../../src/ops/cron-import/import.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { GatewayConnection } from '../../../src/runners/gateway-connection.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway } from '../../support/openclaw.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { TestChat } from '../../support/test-chat.ts';

const TICK_MS = 5_000;
/** The first turns of three gateways take a minute on a slow machine, ms. */
const TURNS_MS = 400_000;

describe('the cron jobs of three real gateways', () => {
  let server: SpawnedRedis;
  let provider: FakeProvider;
  let gateways: Gateway[] = [];
  const chat = new TestChat();
  const connections: GatewayConnection[] = [];
  const nodes: CliProcess[] = [];
  let configs: string[] = [];

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    provider = await FakeProvider.start();
    gateways = await Promise.all([1, 2, 3].map(() => Gateway.start(provider.baseUrl, { chat: chat.folder })));
    configs = gateways.map(({ url }) =>
      writeConfig(
        `mesh: cron\nredis: {url: "${server.url}"}\n` +
          `openclaw: {mode: gateway, gateway: {url: "${url}", token: ${GATEWAY_TOKEN}}}\n`,
      ),
    );
    for (const { url } of gateways) {
      const connection = new GatewayConnection({ url, token: GATEWAY_TOKEN, displayName: 'test', clock: systemClock });
      connections.push(connection);
      connection.start();
      await connection.ready(60_000);
      const common = { wakeMode: 'now', sessionTarget: 'isolated' };
      // Far enough ahead that no gateway runs it before the import.
      const often = { kind: 'every', everyMs: TICK_MS, anchorMs: Date.now() + 600_000 };
      const delivery = { mode: 'announce', channel: 'testchat', to: 'room:dev', threadId: 't1' };
      await add(connection, { ...common, name: 'Ticks', schedule: often, payload: turn('cron tick'), delivery });
      const daily = { kind: 'cron', expr: '0 7 * * *', tz: 'Europe/Berlin' };
      await add(connection, {
        ...common,
        name: 'Daily',
        schedule: daily,
        payload: turn('x'),
        delivery: { mode: 'none' },
      });
      const once = { kind: 'at', at: '2035-01-01T00:00:00Z' };
      await add(connection, {
        ...common,
        name: 'Once',
        schedule: once,
        payload: turn('x'),
        delivery: { mode: 'none' },
      });
    }
  }, 600_000);
  afterAll(async () => {
    for (const node of nodes) await node.kill();
    for (const connection of connections) await connection.stop();
    for (const gateway of gateways) await gateway.down();
    await provider.stop();
    await server.stop();
  });

  const turn = (message: string) => ({ kind: 'agentTurn', message });
  const add = (connection: GatewayConnection, job: object) => connection.client.request('cron.add', job);
  const clawmesh = (index: number, ...words: string[]) => runCli(['--config', configs[index] ?? '', ...words]);
  const importFrom = async (index: number, ...words: string[]) => {
    const { code, stdout, stderr } = await clawmesh(index, 'schedule', 'import-openclaw', '--json', ...words);
    if (code !== 0) throw new Error(stderr);
    const { jobs } = JSON.parse(stdout) as { jobs: JobReport[] };
    return Object.fromEntries(jobs.map(({ name, outcome, schedule }) => [name, [outcome, schedule]]));
  };
  const enabled = async (index: number) => {
    const reply = await connections[index]?.client.request('cron.list', {});
    const { jobs } = reply as { jobs: { name: string; declarationKey?: string }[] };
    return jobs
      .filter((job) => !job.declarationKey)
      .map(({ name }) => name)
      .sort();
  };
  const tasks = async () => {
    const { stdout } = await clawmesh(0, 'task', 'list', '--limit', '1000', '--json');
    return (JSON.parse(stdout) as { tasks: Task[] }).tasks.filter(({ id }) => id.startsWith('repeat:ticks:'));
  };

  it('become one schedule each, are disabled everywhere, and leave the others alone', async () => {
    expect(await importFrom(0, '--dry-run')).toMatchObject({ Ticks: ['imported', 'ticks'] });
    expect(await enabled(0)).toEqual(['Daily', 'Once', 'Ticks']);
    expect(await importFrom(0)).toMatchObject({
      Ticks: ['imported', 'ticks'],
      Daily: ['imported', 'daily'],
      Once: ['stays', null],
      'heartbeat-main': ['stays', null],
    });
    for (const index of [1, 2]) {
      expect(await importFrom(index)).toMatchObject({ Ticks: ['merged', 'ticks'], Daily: ['merged', 'daily'] });
    }
    expect(await importFrom(1)).toMatchObject({ Ticks: ['unchanged', 'ticks'], Daily: ['unchanged', 'daily'] });
    for (const index of [0, 1, 2]) expect(await enabled(index)).toEqual(['Once']);
    const { stdout } = await clawmesh(0, 'schedule', 'list', '--json');
    expect(JSON.parse(stdout).schedules).toMatchObject([
      { name: 'daily', cron: '0 7 * * *', timezone: 'Europe/Berlin' },
      { name: 'ticks', everyMs: TICK_MS, task: { message: 'cron tick' } },
    ]);
  });

  it('run once per tick on any node, and answer in their chat', async () => {
    for (const [index, config] of configs.entries()) {
      const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: `mac-${index}` });
      nodes.push(node);
      await node.waitFor(/node is up/);
    }
    const completed = async () => (await tasks()).filter(({ state }) => state === 'completed').length;
    await expect.poll(completed, { timeout: TURNS_MS }).toBeGreaterThan(2);
    await clawmesh(0, 'schedule', 'pause', 'ticks');
    const pending = async () => (await tasks()).filter(({ state }) => state !== 'completed').length;
    await expect.poll(pending, { timeout: TURNS_MS }).toBe(0);
    const ended = await tasks();
    expect(ended.every(({ handovers }) => handovers === 0)).toBe(true);
    expect(provider.callsWith('cron tick')).toHaveLength(ended.length);
    const undelivered = async () => (await tasks()).filter(({ delivery }) => delivery?.state !== 'delivered').length;
    await expect.poll(undelivered, { timeout: TURNS_MS }).toBe(0);
    expect(chat.sent.length).toBeGreaterThanOrEqual(ended.length);
    for (const message of chat.sent) {
      expect(message).toMatchObject({ to: 'room:dev', threadId: 't1', text: expect.stringContaining('cron tick') });
    }
  }, 1_000_000);

  it('return to the gateway that they are given back to', async () => {
    expect(await importFrom(0, '--undo')).toEqual({ Ticks: ['restored', 'ticks'], Daily: ['restored', 'daily'] });
    expect(await enabled(0)).toEqual(['Daily', 'Once', 'Ticks']);
    expect(await enabled(1)).toEqual(['Once']);
    const { stdout } = await clawmesh(0, 'schedule', 'list', '--json');
    expect(JSON.parse(stdout).schedules).toEqual([]);
    expect(await importFrom(0, '--undo')).toEqual({});
  });

  it('cannot be read with a wrong token', async () => {
    const config = writeConfig(
      `mesh: cron\nredis: {url: "${server.url}"}\n` +
        `openclaw: {mode: gateway, gateway: {url: "${gateways[0]?.url}", token: wrong}}\n`,
    );
    const { code, stdout, stderr } = await runCli(['--config', config, 'schedule', 'import-openclaw']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^clawmesh: the OpenClaw gateway at ws:.* can't be used: .*token.*\n$/i);
  });
});
