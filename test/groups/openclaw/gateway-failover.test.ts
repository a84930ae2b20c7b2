import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import { MeshKeys } from '../../../src/redis/keys.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway } from '../../support/openclaw.ts';
import { SpawnedRedis } from '../../support/redis.ts';

/**
 * What becomes of runs in the real gateway when daemon, gateway or both are killed. The provider's calls are counted.
 */
describe('failover with the real gateway', () => {
  let server: SpawnedRedis;
  let provider: FakeProvider;
  let gateways: [Gateway, Gateway];
  let redis: Redis;
  const keys = new MeshKeys({ prefix: 'clawmesh', mesh: 'gf' });
  const nodes: CliProcess[] = [];

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    redis = new Redis(server.url);
    provider = await FakeProvider.start();
    gateways = await Promise.all([Gateway.start(provider.baseUrl), Gateway.start(provider.baseUrl)]);
  });
  afterAll(async () => {
    for (const node of nodes) await node.kill();
    for (const gateway of gateways) await gateway.down();
    await provider.stop();
    redis.disconnect();
    await server.stop();
  });

  const configFor = (gateway: Gateway, pool: string, more = '') =>
    writeConfig(
      `mesh: gf\nredis: {url: "${server.url}"}\nnode: {pools: {${pool}: 1}}\nqueue: {backoff: {delay: 1s}, sessionExchanges: 3}\n` +
        `openclaw: {mode: gateway, gateway: {url: "${gateway.url}", token: ${GATEWAY_TOKEN}}}\n${more}`,
    );
  const start = async (nodeId: string, gateway: Gateway, pool: string, more = '') => {
    const node = new CliProcess(['--config', configFor(gateway, pool, more), 'node', 'run'], {
      CLAWMESH_NODE_ID: nodeId,
    });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const cli = (...args: string[]) => runCli(['--config', configFor(gateways[0], 'default'), ...args]);
  const enqueue = async (...args: string[]) => (await cli('enqueue', ...args)).stdout.trim();
  const wait = async (id: string): Promise<Task> =>
    JSON.parse((await cli('task', 'wait', id, '--json')).stdout).tasks[0];
  /** What became of a task, for the message of a failure. */
  const told = ({ state, error, history }: Task) => JSON.stringify({ state, error, history });
  const called = (marker: string, times: number) =>
    expect.poll(() => provider.callsWith(marker).length, { interval: 50, timeout: 600_000 }).toBe(times);

  /**
   * Resolves once it is on record in which gateway the task runs, so that another incarnation of the node can find it.
   */
  const submitted = (pool: string, id: string) =>
    expect.poll(async () => (await redis.hget(keys.task(pool, id), 'progress')) ?? '').toContain('submittedTo');
  const presenceSeen = (id: string) => expect.poll(() => redis.hexists(keys.presence, id)).toBe(1);

  it('re-attaches to the run when the daemon is killed and restarted at once, with one call of the model', async () => {
    // A busy machine may take longer than the default second to start a daemon.
    const patient = 'health: {crashGrace: 10s}\n';
    const first = await start('mac-1', gateways[0], 'reattach', patient);
    const other = await start('mac-9', gateways[1], 'other', patient);
    const id = await enqueue('PROVIDER HOLD reattach', '--pool', 'reattach');
    await called('reattach', 1);
    await submitted('reattach', id);
    await first.kill();
    const second = await start('mac-1', gateways[0], 'reattach', patient);
    await second.waitFor(/run adopted/);
    provider.release();
    expect(await wait(id)).toMatchObject({ state: 'completed', handovers: 0, attempts: { made: 1 } });
    expect(provider.callsWith('reattach')).toHaveLength(1);
    for (const node of [second, other]) {
      node.signal('SIGTERM');
      await node.exited;
    }
  });

  it('continues a session on its node, and passes its exchanges to another node once that one is gone', async () => {
    const talkers = new Map([
      ['mac-5', await start('mac-5', gateways[0], 'talk')],
      ['mac-6', await start('mac-6', gateways[1], 'talk')],
    ]);
    const say = async (text: string) => wait(await enqueue(text, '--pool', 'talk', '--session', 'chat'));
    const first = await say('my name is Ada');
    expect(first).toMatchObject({ state: 'completed', sessionMovedFrom: null });
    const second = await say('who am I?');
    expect(second).toMatchObject({ state: 'completed', node: first.node });
    // OpenClaw's own transcript of the session, which is only on that node.
    expect(provider.callsWith('who am I?').at(-1)?.body).toMatch(/my name is Ada/);
    await talkers.get(first.node ?? '')?.kill();
    const third = await say('are you sure?');
    expect(third).toMatchObject({ state: 'completed', sessionMovedFrom: first.node });
    expect(third.node).not.toBe(first.node);
    const { prompt } = provider.callsWith('are you sure?').at(-1) ?? { prompt: '' };
    expect(prompt).toMatch(
      /has moved from another machine \(mac-\d\).*> my name is Ada.*echo:.*> who am I\?.*are you sure\?/s,
    );
    expect(await say('thanks')).toMatchObject({ node: third.node, sessionMovedFrom: null });
  });

  it('starts a run again when the gateway is killed under the daemon, and never runs it twice at a time', async () => {
    await start('mac-2', gateways[0], 'gwkill');
    const id = await enqueue('PROVIDER SLEEP 6000 gwkill', '--pool', 'gwkill');
    await called('gwkill', 1);
    await submitted('gwkill', id);
    await gateways[0].down();
    await gateways[0].up();
    const task = await wait(id);
    expect(task, told(task)).toMatchObject({ state: 'completed', handovers: 0, attempts: { made: 2 } });
    expect(task.history.map(({ event }) => event)).toEqual(['enqueued', 'claimed', 'retry', 'claimed', 'completed']);
    // Which of the two the daemon sees first depends on how long the gateway takes to come back.
    expect(task.history[2]?.reason).toMatch(/^crash: the OpenClaw gateway (restarted during the run|is unreachable)/);
    const calls = provider.callsWith('gwkill');
    expect(calls.filter((call) => !call.aborted)).toHaveLength(1);
  });

  it('does not continue a run that was taken over once a dead node and its gateway come back', async () => {
    const victim = await start('mac-3', gateways[0], 'comeback');
    const id = await enqueue('PROVIDER SLEEP 15000 comeback', '--pool', 'comeback');
    await called('comeback', 1);
    await submitted('comeback', id);
    await start('mac-4', gateways[1], 'comeback');
    await presenceSeen('mac-3');
    await victim.kill();
    await gateways[0].down();
    await called('comeback', 2);
    await gateways[0].up();
    const back = await start('mac-3', gateways[0], 'comeback');
    await expect.poll(async () => JSON.parse((await cli('node', 'show', 'mac-3', '--json')).stdout).state).toBe('up');
    const task = await wait(id);
    expect(task, told(task)).toMatchObject({ state: 'completed', node: 'mac-4', handovers: 1 });
    const calls = provider.callsWith('comeback');
    console.log(
      `provider calls of the task that was taken over: ${calls.map((call) => (call.aborted ? 'cut off' : 'answered'))}`,
    );
    expect(calls.filter((call) => !call.aborted)).toHaveLength(1);
    expect(back.child.exitCode).toBeNull();
  });
});
