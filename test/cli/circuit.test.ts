import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { taskError } from '../../src/domain/task.ts';
import { runCli, writeConfig } from '../support/cli.ts';
import { claimNext, newTask, openTestMesh, type TestMesh } from '../support/pool.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';

describe('clawmesh circuit', () => {
  let server: TestRedis;
  let mesh: TestMesh;
  let cli: (...args: string[]) => ReturnType<typeof runCli>;

  beforeEach(async () => {
    server = await startRedis();
    mesh = await openTestMesh(server.url, 'c');
    const config = writeConfig(`mesh: c\nredis: {url: "${server.url}"}\n`);
    cli = (...args) => runCli(['--config', config, 'circuit', ...args]);
  });
  afterEach(async () => {
    await mesh.close();
    await server.stop();
  });

  /** A circuit that a rate limit has opened, and that holds three tasks back, one of them in another pool. */
  const openCircuit = async () => {
    const [node, other] = [await mesh.node('mac-1'), await mesh.node('mac-2', { pool: 'xcode' })];
    const model = 'p/m';
    await mesh.producer.enqueue([newTask({ model }), newTask({ model }), newTask({ model, pool: 'xcode' })]);
    const claim = await claimNext(node);
    const error = { ...taskError('rate_limit', 'HTTP 429: slow\ndown'), retryAfterMs: 3_600_000 };
    await node.report(claim, { ok: false, error });
    await node.claim();
    await other.claim();
    return { node, other, claim };
  };

  it('lists each open circuit with its held tasks and the time of its next probe, for people and for programs', async () => {
    expect((await cli('list')).stderr).toMatch(/no circuit is open/);
    expect(JSON.parse((await cli('list', '--json')).stdout)).toEqual({ circuits: [] });
    const { claim } = await openCircuit();
    const { stdout, code } = await cli('list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^NAME +STATE +SINCE +HELD +FAILURES +NEXT PROBE +PROBE +LAST ERROR\n/);
    expect(stdout).toMatch(/\np\/m +open .* ago +3 +1 +in .* - +rate_limit: HTTP 429: slow down\n$/);
    expect(JSON.parse((await cli('list', '--json')).stdout)).toEqual({
      circuits: [
        {
          name: 'p/m',
          failures: 1,
          kind: 'rate_limit',
          message: 'HTTP 429: slow\ndown',
          openedAt: expect.any(String),
          nextProbeAt: expect.any(String),
          probe: null,
          tasks: [`default:${claim.taskId}`],
          held: 3,
        },
      ],
    });
  });

  it('closes a circuit, releases its tasks in all pools at once, and succeeds again if it is already closed', async () => {
    const { node, other } = await openCircuit();
    expect(JSON.parse((await cli('close', 'p/m', '--json')).stdout)).toEqual({
      name: 'p/m',
      closed: true,
      released: 3,
    });
    for (const consumer of [node, node, other])
      expect(await consumer.claim()).toMatchObject({ spec: { model: 'p/m' } });
    const again = await cli('close', 'p/m');
    expect([again.code, again.stdout]).toEqual([0, '']);
    expect(again.stderr).toMatch(/was not open/);
    const events = await mesh.redis.xrevrange(mesh.keys.events, '+', '-', 'COUNT', 1);
    expect(events[0]?.[1]).toEqual(expect.arrayContaining(['circuit-closed', 'p/m', 'closed by hand']));
  });

  it('refuses an unknown circuit with exit code 4 and one line, and changes nothing', async () => {
    await openCircuit();
    const before = await mesh.redis.hgetall(mesh.keys.circuits);
    const { code, stdout, stderr } = await cli('close', 'p/n');
    expect([code, stdout, stderr]).toEqual([4, '', 'clawmesh: no circuit p/n (did you mean p/m?)\n']);
    expect((await cli('close', 'something-else')).stderr).toMatch(
      /^clawmesh: no circuit something-else .*circuit list.*\n$/,
    );
    expect((await cli('close')).code).toBe(2);
    expect(await mesh.redis.hgetall(mesh.keys.circuits)).toEqual(before);
  });
});
