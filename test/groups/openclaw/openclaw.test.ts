import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { GatewayRunner } from '../../../src/runners/gateway.ts';
import { Submissions } from '../../../src/runners/submissions.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway, openclawHome } from '../../support/openclaw.ts';
import { OPENCLAW_VERSION, openclawBin } from '../../support/openclaw-paths.ts';
import { isRunning } from '../../support/processes.ts';
import { SpawnedRedis } from '../../support/redis.ts';

/** The real openclaw package; only the model provider behind it is ours. `scripts/setup openclaw` installs it. */
describe('the real OpenClaw', () => {
  let server: SpawnedRedis;
  let provider: FakeProvider;

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    provider = await FakeProvider.start();
  });
  afterAll(async () => {
    await provider.stop();
    await server.stop();
  });

  const meshOf = (config: string) => ({
    json: async (...args: string[]) => JSON.parse((await runCli(['--config', config, ...args, '--json'])).stdout),
    enqueue: async (...args: string[]): Promise<string> =>
      (await runCli(['--config', config, 'enqueue', ...args])).stdout.trim(),
    wait: async (id: string): Promise<Task> => {
      const { stdout } = await runCli(['--config', config, 'task', 'wait', id, '--json']);
      return JSON.parse(stdout).tasks[0];
    },
    start: async (nodeId: string, env: NodeJS.ProcessEnv = {}) => {
      const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: nodeId, ...env });
      await node.waitFor(/node is up/);
      return node;
    },
  });

  describe('gateways', () => {
    let gateways: Gateway[] = [];
    const nodes: CliProcess[] = [];
    // Every node's gateway is its own; in a real mesh that's the same URL on each Mac.
    const configFor = (gateway: Gateway) =>
      writeConfig(
        `mesh: gw\nredis: {url: "${server.url}"}\nnode: {drainTimeout: 10s}\n` +
          `openclaw: {mode: gateway, version: ${OPENCLAW_VERSION}, gateway: {url: "${gateway.url}", token: ${GATEWAY_TOKEN}}}\n`,
      );
    let mesh: ReturnType<typeof meshOf>;
    let provider500: string;

    beforeAll(async () => {
      gateways = await Promise.all([Gateway.start(provider.baseUrl), Gateway.start(provider.baseUrl)]);
      mesh = meshOf(configFor(gateways[0] as Gateway));
      nodes.push(await mesh.start('mac-1'));
      nodes.push(await meshOf(configFor(gateways[1] as Gateway)).start('mac-2'));
      // OpenClaw itself retries a 500 for over a minute; asked first, looked at last.
      provider500 = await mesh.enqueue('PROVIDER 500 please', '--attempts', '1');
    }, 180_000);
    afterAll(async () => {
      for (const node of nodes) await node.kill();
      for (const gateway of gateways) await gateway.down();
    });

    it('returns text, usage, model and log lines from a gateway', async () => {
      const id = await mesh.enqueue('gateway says hello');
      const task = await mesh.wait(id);
      expect(task).toMatchObject({ state: 'completed', error: null });
      expect(task.result).toMatchObject({
        text: expect.stringContaining('gateway says hello'),
        usage: { input: 11, output: 5, total: 16 },
        model: 'fake/echo',
        runId: `clawmesh-${id}-1`,
      });
      const { lines } = await mesh.json('task', 'logs', id);
      expect(lines.join('\n')).toMatch(
        /run started[\s\S]*model fake\/echo[\s\S]*echo: .*gateway says hello[\s\S]*run ended/,
      );
      expect(provider.callsWith('gateway says hello')).toHaveLength(1);
    });

    it('lists gateways with their version', async () => {
      const { nodes: list } = await mesh.json('node', 'list');
      for (const node of list) {
        expect(node).toMatchObject({
          state: 'up',
          openclaw: { mode: 'gateway', version: OPENCLAW_VERSION, expected: OPENCLAW_VERSION, healthy: true },
        });
      }
    });

    it('shares 20 tasks between two nodes, each run once', async () => {
      const input = Array.from({ length: 20 }, (_, index) =>
        JSON.stringify({ message: `PROVIDER SLEEP 300 share-${index}.`, tags: { t: 'share' } }),
      ).join('\n');
      await runCli(['--config', configFor(gateways[0] as Gateway), 'enqueue', '--from', '-', '--wait'], { input });
      const { tasks } = (await mesh.json('task', 'list', '--tag', 't=share')) as { tasks: Task[] };
      expect(tasks.map((task) => task.state)).toEqual(Array(20).fill('completed'));
      for (let index = 0; index < 20; index++) expect(provider.callsWith(`share-${index}.`)).toHaveLength(1);
      expect(new Set(tasks.map((task) => task.node)).size).toBe(2);
    });

    it('refuses an unknown agent or model for good', async () => {
      const agent = await mesh.wait(await mesh.enqueue('x', '--agent', 'nobody'));
      expect(agent).toMatchObject({
        state: 'failed',
        error: { kind: 'invalid', message: expect.stringContaining('nobody') },
      });
      const model = await mesh.wait(await mesh.enqueue('x', '--model', 'nope/none'));
      expect(model).toMatchObject({ state: 'failed', error: { kind: 'invalid' }, attempts: { made: 1 } });
    });

    it('stops a hanging run at its deadline', async () => {
      const task = await mesh.wait(await mesh.enqueue('PROVIDER HANG deadline', '--timeout', '4s', '--attempts', '1'));
      expect(task).toMatchObject({ state: 'failed', error: { kind: 'timeout', message: 'not finished after 4.0s' } });
      await expect.poll(() => provider.callsWith('HANG deadline').map((call) => call.aborted)).toEqual([true]);
    });

    it('stops the run of a task that is released', async () => {
      const lone = meshOf(configFor(gateways[0] as Gateway));
      const id = await mesh.enqueue('PROVIDER HANG handback', '--pool', 'handback');
      const config = writeConfig(
        `mesh: gw\nredis: {url: "${server.url}"}\nnode: {pools: {handback: 1}}\n` +
          `openclaw: {mode: gateway, gateway: {url: "${gateways[0]?.url}", token: ${GATEWAY_TOKEN}}}\n`,
      );
      const node = await meshOf(config).start('mac-3');
      await expect.poll(() => provider.callsWith('HANG handback').length).toBe(1);
      node.signal('SIGTERM');
      await node.waitFor(/draining/);
      node.signal('SIGTERM');
      expect(await node.exited).toBe(0);
      await expect.poll(() => provider.callsWith('HANG handback')[0]?.aborted).toBe(true);
      expect(await lone.json('task', 'show', id)).toMatchObject({ state: 'waiting', handovers: 1 });
    });

    it('continues a run whose daemon was killed, and returns its result to any caller with its key', async () => {
      const config = writeConfig(
        `mesh: gw\nredis: {url: "${server.url}"}\nnode: {pools: {reattach: 1}}\n` +
          `openclaw: {mode: gateway, gateway: {url: "${gateways[0]?.url}", token: ${GATEWAY_TOKEN}}}\n`,
      );
      const node = await meshOf(config).start('mac-4');
      const message = 'PROVIDER SLEEP 5000 reattach';
      const id = await mesh.enqueue(message, '--pool', 'reattach');
      await expect.poll(() => provider.callsWith('reattach').length).toBe(1);
      await node.kill();

      const runner = new GatewayRunner({
        url: gateways[0]?.url ?? '',
        token: GATEWAY_TOKEN,
        nodeId: 'mac-4',
        submissions: new Submissions(undefined),
        clock: systemClock,
      });
      const request = {
        taskId: id,
        attempt: 1,
        handovers: 0,
        holds: 0,
        nodeId: 'mac-4',
        spec: { message, tags: {} },
        timeoutMs: 60_000,
      };
      const outcome = await runner.run(request, new AbortController().signal, () => {});
      await runner.close();
      expect(outcome).toMatchObject({
        ok: true,
        result: { text: expect.stringContaining('reattach'), usage: { total: 16 } },
      });
      expect(provider.callsWith('reattach')).toHaveLength(1);
    });

    it('classifies a provider that fails, and one that refuses the key', async () => {
      // On a busy machine OpenClaw's own retries end in a time-out of its, with no word of the 500 (seen once).
      const failed = await mesh.wait(provider500);
      expect(failed).toMatchObject({ state: 'failed', error: { retryable: true } });
      expect(`${failed.error?.kind}: ${failed.error?.message}`).toMatch(/^provider: .*HTTP 500|^timeout: /);
      // Last: OpenClaw then refuses this provider for a minute.
      const refused = await mesh.wait(await mesh.enqueue('PROVIDER 401 please'));
      expect(refused).toMatchObject({ state: 'failed', error: { kind: 'auth' }, attempts: { made: 1, max: 3 } });
    });
  });

  describe('agent exec', () => {
    let node: CliProcess;
    let mesh: ReturnType<typeof meshOf>;

    beforeAll(async () => {
      const { env } = openclawHome(provider.baseUrl, 1);
      mesh = meshOf(
        writeConfig(
          `mesh: ex\nredis: {url: "${server.url}"}\nnode: {pools: {default: 2}, drainTimeout: 10s}\n` +
            `openclaw: {mode: exec, version: ${OPENCLAW_VERSION}, exec: {bin: "${openclawBin}"}}\n`,
        ),
      );
      node = await mesh.start('mac-1', env);
    });
    afterAll(() => node.kill());

    it('returns text, usage and model from agent exec', async () => {
      const task = await mesh.wait(await mesh.enqueue('exec says hello'));
      expect(task.error).toBeNull();
      expect(task.result).toMatchObject({
        text: expect.stringContaining('exec says hello'),
        usage: { input: 11, output: 5, total: 16 },
        model: 'fake/echo',
      });
      expect((await mesh.json('node', 'list')).nodes[0]).toMatchObject({
        openclaw: { version: OPENCLAW_VERSION, healthy: true },
      });
    });

    it('kills agent exec with all its processes at the deadline', async () => {
      const id = await mesh.enqueue('PROVIDER HANG exec', '--timeout', '60s', '--attempts', '1');
      await expect.poll(() => provider.callsWith('HANG exec').length).toBeGreaterThan(0);
      const task = await mesh.wait(id);
      expect(task).toMatchObject({ state: 'failed', error: { kind: 'timeout' } });
      await expect.poll(() => provider.callsWith('HANG exec').every((call) => call.aborted)).toBe(true);
      expect(isRunning(node.pid)).toBe(true);
    });

    // Last: OpenClaw then refuses this provider for a minute.
    it('fails at once if the provider refuses the key', async () => {
      const task = await mesh.wait(await mesh.enqueue('PROVIDER 401 please'));
      expect(task).toMatchObject({ state: 'failed', error: { kind: 'auth' }, attempts: { made: 1 } });
    });
  });
});
