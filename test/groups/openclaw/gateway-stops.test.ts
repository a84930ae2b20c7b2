import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../../src/domain/task.ts';
import { CliProcess, runCli, writeConfig } from '../../support/cli.ts';
import { FakeProvider } from '../../support/fake-provider.ts';
import { GATEWAY_TOKEN, Gateway } from '../../support/openclaw.ts';
import { SpawnedRedis } from '../../support/redis.ts';
import { TcpGate } from '../../support/tcp-gate.ts';

/** The first turn of a gateway on a busy machine was seen to take over a minute, ms. */
const SLOW = { timeout: 600_000 };

/** Which runs continue in the real gateway, and which are stopped there for real. The provider's calls are counted. */
describe('stopped runs in the real gateway', () => {
  let server: SpawnedRedis;
  let provider: FakeProvider;
  let gateways: [Gateway, Gateway];
  let gate: TcpGate;
  const nodes: CliProcess[] = [];

  beforeAll(async () => {
    server = await SpawnedRedis.start();
    provider = await FakeProvider.start();
    // One after the other: each takes a core for a while.
    gateways = [await Gateway.start(provider.baseUrl), await Gateway.start(provider.baseUrl)];
    gate = await TcpGate.start(gateways[0].port);
  }, 1_500_000);
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    gate.open();
  });
  afterAll(async () => {
    gate.stop();
    for (const gateway of gateways) await gateway.down();
    await provider.stop();
    await server.stop();
  });

  const configFor = (url: string, pool: string, more = '') =>
    writeConfig(
      `mesh: gs\nredis: {url: "${server.url}"}\nnode: {pools: {${pool}: 1}}\nqueue: {backoff: {delay: 1s}}\n` +
        `openclaw: {mode: gateway, gateway: {url: "${url}", token: ${GATEWAY_TOKEN}}}\n${more}`,
    );
  const start = async (nodeId: string, url: string, pool: string, more = '') => {
    const node = new CliProcess(['--config', configFor(url, pool, more), 'node', 'run'], { CLAWMESH_NODE_ID: nodeId });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const cli = (...args: string[]) => runCli(['--config', configFor(gateways[0].url, 'default'), ...args]);
  const enqueue = async (...args: string[]) => (await cli('enqueue', ...args)).stdout.trim();
  const show = async (id: string): Promise<Task> => JSON.parse((await cli('task', 'show', id, '--json')).stdout);
  const wait = async (id: string): Promise<Task> => {
    await expect.poll(async () => (await show(id)).finishedAt, SLOW).not.toBeNull();
    return show(id);
  };
  const called = (marker: string, times: number) =>
    expect.poll(() => provider.callsWith(marker).length, { interval: 50, ...SLOW }).toBe(times);
  const goingOn = (marker: string) => provider.callsWith(marker).filter((call) => !call.aborted).length;
  const nodeState = async (id: string) => JSON.parse((await cli('node', 'show', id, '--json')).stdout).state;
  const gated = () => `ws://127.0.0.1:${gate.port}`;

  it('stops a session’s run that was taken over, once the dead daemon is back beside its live gateway', async () => {
    const victim = await start('mac-1', gateways[0].url, 'back');
    const id = await enqueue('PROVIDER HOLD daemonback', '--pool', 'back', '--session', 'back');
    await called('daemonback', 1);
    await start('mac-2', gateways[1].url, 'back');
    await victim.kill();
    await called('daemonback', 2);
    await start('mac-1', gateways[0].url, 'back');
    await expect.poll(() => nodeState('mac-1'), SLOW).toBe('up');
    expect(goingOn('daemonback')).toBe(1);
    provider.release('daemonback');
    expect(await wait(id)).toMatchObject({ state: 'completed', node: 'mac-2', handovers: 1 });
    expect(provider.callsWith('daemonback')).toHaveLength(2);
  });

  it('does not resume a session’s run that was taken over, once the dead node and its gateway are back', async () => {
    const victim = await start('mac-3', gateways[0].url, 'comeback');
    const id = await enqueue('PROVIDER HOLD bothback', '--pool', 'comeback', '--session', 'comeback');
    await called('bothback', 1);
    await start('mac-4', gateways[1].url, 'comeback');
    await victim.kill();
    await gateways[0].down();
    await called('bothback', 2);
    await gateways[0].up();
    await start('mac-3', gateways[0].url, 'comeback');
    await expect.poll(() => nodeState('mac-3'), SLOW).toBe('up');
    expect(goingOn('bothback')).toBe(1);
    provider.release('bothback');
    expect(await wait(id)).toMatchObject({ state: 'completed', node: 'mac-4', handovers: 1 });
  });

  it('stops a run that was cancelled while the connection was down, as soon as it is up again', async () => {
    await start('mac-5', gated(), 'cut');
    const id = await enqueue('PROVIDER HOLD reconnect', '--pool', 'cut', '--session', 'cut');
    await called('reconnect', 1);
    gate.shut();
    await cli('task', 'cancel', id);
    await expect.poll(async () => (await show(id)).state).toBe('cancelled');
    expect(goingOn('reconnect')).toBe(1);
    gate.open();
    await expect.poll(() => goingOn('reconnect'), SLOW).toBe(0);
    // The session is free in the gateway, so its next task runs there. OpenClaw may send both messages in one.
    provider.release('reconnect');
    expect(await wait(await enqueue('after the cut', '--pool', 'cut', '--session', 'cut'))).toMatchObject({
      state: 'completed',
    });
  });

  it('stops a run that was cancelled while the connection was down, even after a restart of the daemon', async () => {
    const node = await start('mac-6', gated(), 'restart');
    const id = await enqueue(
      'PROVIDER HANG daemonrestart',
      '--pool',
      'restart',
      '--session',
      'restart',
      '--agent',
      'main',
    );
    await called('daemonrestart', 1);
    gate.shut();
    await cli('task', 'cancel', id);
    await expect.poll(async () => (await show(id)).state).toBe('cancelled');
    await node.kill();
    gate.open();
    expect(goingOn('daemonrestart')).toBe(1);
    await start('mac-6', gated(), 'restart');
    await expect.poll(() => goingOn('daemonrestart'), SLOW).toBe(0);
  });

  it('begins a run that its previous daemon had claimed and never submitted', async () => {
    // A busy machine may take longer than the default second to start a daemon.
    const patient = 'health: {crashGrace: 60s, heartbeatInterval: 10s}\n';
    const node = await start('mac-7', gated(), 'begin', patient);
    await expect.poll(() => nodeState('mac-7')).toBe('up');
    // Frozen, the daemon does not see yet that the gateway is gone, and so it claims the task.
    node.signal('SIGSTOP');
    gate.shut();
    const id = await enqueue('never submitted', '--pool', 'begin', '--attempts', '1');
    node.signal('SIGCONT');
    await expect.poll(async () => (await show(id)).state).toBe('active');
    await node.kill();
    gate.open();
    const back = await start('mac-7', gated(), 'begin', patient);
    await back.waitFor(/run adopted/);
    expect(await wait(id)).toMatchObject({ state: 'completed', attempts: { made: 1 }, handovers: 0 });
    expect(provider.callsWith('never submitted')).toHaveLength(1);
  });
});
