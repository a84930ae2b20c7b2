import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mesh } from '../../../src/client/mesh.ts';
import { CliProcess, cleanEnv, runCli } from '../../support/cli.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

/**
 * A command that waits, or follows, meets a Redis that is away for a while; it must neither end nor say anything
 * untrue.
 */
describe('a restart of Redis while a command waits', () => {
  let mesh: ProcessMesh;
  let waiting: CliProcess | undefined;

  beforeEach(async () => {
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  });
  afterEach(async () => {
    await waiting?.kill();
    waiting = undefined;
    await mesh.stop();
  });

  /** Starts the command, and resolves once it has asked Redis something. */
  const start = async (...args: string[]): Promise<CliProcess> => {
    waiting = new CliProcess(['--config', mesh.config, ...args]);
    await isAsking();
    return waiting;
  };
  const isAsking = async () => {
    const redis = new Redis(mesh.server.url);
    // Of the command's connection, once it's past the checks of the server.
    const asked = async () =>
      /name=clawmesh:client .*cmd=(?!info|client|ping|hello|NULL|eval|script)/.test(String(await redis.client('LIST')));
    await expect.poll(asked).toBe(true);
    redis.disconnect();
  };
  /** Takes Redis away until the command has said so, and brings it back. */
  const blip = async (command: CliProcess) => {
    await mesh.server.down();
    await command.waitFor(/connection (refused|lost).*waiting for Redis to come back/);
    expect(command.live).toBe(true);
    await mesh.server.up();
    await command.waitFor(/Redis is back/);
  };

  it('lets task wait continue after the restart and report the end of the task', async () => {
    const id = await mesh.enqueue('sleep 10ms');
    const command = await start('task', 'wait', id);
    await blip(command);
    await mesh.startNode('mac-1');
    expect(await command.exited).toBe(0);
    expect(command.output).toContain(`${id}  completed`);
    expect(command.output).not.toContain('TLS');
  });

  it('lets enqueue --wait continue after the restart, and names the task and how to wait for it later', async () => {
    const command = await start('enqueue', 'what is it?', '--wait');
    await command.waitFor(/queued (\S+) in pool/);
    const id = /queued (\S+) in pool/.exec(command.output)?.[1];
    await blip(command);
    expect(command.output).toContain(`the task continues; to wait again: clawmesh task wait ${id}`);
    await mesh.startNode('mac-1');
    expect(await command.exited).toBe(0);
    expect(command.output).toMatch(/what is it\?\n$/);
  });

  it('counts the restart towards the timeout of task wait', async () => {
    const id = await mesh.enqueue('sleep 10ms');
    const command = await start('task', 'wait', id, '--timeout', '3s');
    await mesh.server.down();
    expect(await command.exited).toBe(5);
    expect(command.output).toMatch(new RegExp(`not ended after 3\\.0s: .*${id}`));
  });

  it('ends task wait with the id and how to continue if Redis comes back with another password', async () => {
    const id = await mesh.enqueue('sleep 10ms');
    const command = await start('task', 'wait', id);
    await mesh.server.down();
    await command.waitFor(/waiting for Redis to come back/);
    await mesh.server.up(['--requirepass', 'another']);
    expect(await command.exited).toBe(3);
    expect(command.output).toMatch(/requires a password/);
    expect(command.output).toContain(`clawmesh task wait ${id}`);
  });

  it('lets task logs -f continue after the restart and print the log to its end', async () => {
    const id = await mesh.enqueue('sleep 10ms');
    const command = await start('task', 'logs', id, '-f');
    await blip(command);
    const { redis, keys } = await mesh.store();
    await redis.rpush(`${keys.pool('default', id)}:logs`, 'written after the restart');
    await command.waitFor(/written after the restart/);
    await mesh.startNode('mac-1');
    expect(await command.exited).toBe(0);
  });

  it('lets events -f and handovers -f continue with what happens after the restart', async () => {
    const command = await start('events', '-f');
    await blip(command);
    await mesh.startNode('mac-1');
    await command.waitFor(/node-up .*mac-1|mac-1/);
    await command.kill();
    const other = await start('handovers', '-f');
    await blip(other);
  });

  it('lets status --watch --json continue after the restart, and prints only documents on stdout', async () => {
    const command = await start('status', '--watch', '--json');
    let stdout = '';
    command.child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    await blip(command);
    const before = stdout;
    await expect.poll(() => stdout.length).toBeGreaterThan(before.length);
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ mesh: 'm' });
  });

  it('lets a program that uses the library continue its wait', async () => {
    const client = await Mesh.open({ config: mesh.config, env: cleanEnv() });
    const [task] = await client.enqueue({ message: 'sleep 10ms' });
    const told: string[] = [];
    const away = Promise.withResolvers<void>();
    const ended = client.wait([task?.id ?? ''], {
      onOutage: (why) => {
        told.push(why);
        away.resolve();
      },
    });
    await mesh.server.down();
    await away.promise;
    await mesh.server.up();
    await mesh.startNode('mac-1');
    expect((await ended).map(({ state }) => state)).toEqual(['completed']);
    expect(told[0]).toMatch(/^Redis at 127\.0\.0\.1:\d+: connection (refused|lost)/);
    await client.close();
  });

  it('still ends a command that asks only once, within its five seconds', async () => {
    await mesh.server.down();
    const { code, stderr } = await runCli(['--config', mesh.config, 'task', 'wait', 'x']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^clawmesh: Redis at .*: connection refused/);
  });
});
