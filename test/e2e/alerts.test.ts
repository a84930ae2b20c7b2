import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliProcess, emptyFolder, runCli, writeConfig } from '../support/cli.ts';
import { FAST_HEALTH } from '../support/failover-mesh.ts';
import { freePort, SpawnedRedis } from '../support/redis.ts';

interface Posted {
  readonly kind: string;
  readonly state: string;
  readonly subject: string;
  readonly text: string;
  readonly summary: string;
}

describe('a mesh that tells people of trouble', () => {
  let redis: SpawnedRedis;
  let hook: Server;
  const posted: Posted[] = [];
  const nodes: CliProcess[] = [];
  /** So many requests are refused first. */
  let refuse = 0;

  beforeEach(async () => {
    posted.length = 0;
    refuse = 0;
    redis = await SpawnedRedis.start();
    hook = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        response.statusCode = refuse-- > 0 ? 503 : 200;
        if (response.statusCode === 200) posted.push(JSON.parse(body));
        response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(hook, 'listening');
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.kill();
    hook.closeAllConnections();
    hook.close();
    await redis.stop();
  });

  const hookUrl = () => `http://127.0.0.1:${(hook.address() as AddressInfo).port}/services/T0/secret`;
  const configWith = (alerts: string) =>
    writeConfig(
      `mesh: a\nredis: {url: "${redis.url}"}\nopenclaw: {mode: simulate}\nhealth: {${FAST_HEALTH}}\nalerts: {${alerts}}\n`,
    );
  const start = async (id: string, config: string) => {
    const node = new CliProcess(['--config', config, 'node', 'run'], { CLAWMESH_NODE_ID: id });
    nodes.push(node);
    await node.waitFor(/node is up/);
    return node;
  };
  const told = () => posted.map(({ kind, state, subject }) => `${kind} ${state} ${subject}`);

  it('tells of a dead node once, though all watch and the webhook fails at first, and when it is back', async () => {
    refuse = 2;
    const file = join(emptyFolder(), 'told');
    const config = configWith(`webhook: "${hookUrl()}", command: "cat >> ${file}"`);
    const [victim] = [await start('mac-1', config), await start('mac-2', config), await start('mac-3', config)];
    await sleep(600); // mac-1's presence has to have been seen once
    await victim?.kill();
    await expect.poll(told, { timeout: 20_000 }).toEqual(['node-dead firing mac-1']);
    expect(posted[0]).toMatchObject({
      mesh: 'a',
      summary: 'mac-1 is dead (crash)',
      text: expect.stringMatching(/^🔴 clawmesh a: mac-1 is dead \(crash\)\n→ /),
    });
    await start('mac-1', config);
    await expect.poll(told, { timeout: 10_000 }).toEqual(['node-dead firing mac-1', 'node-dead resolved mac-1']);
    await expect.poll(() => existsSync(file) && readFileSync(file, 'utf8')).toContain('mac-1 is back');

    // Dead letters of a pool are told once in ten minutes.
    for (const text of ['fail invalid', 'fail invalid again'])
      await runCli(['--config', config, 'enqueue', text, '--wait']);
    await expect.poll(() => told().slice(2), { timeout: 10_000 }).toEqual(['dead-letter firing default']);
    await sleep(3_000); // longer than all nodes need to look again
    expect(told()).toHaveLength(3);
    expect((await runCli(['--config', config, 'events', '--json'])).stdout).toMatch(
      /"event":"dead-letter","node":"mac/,
    );
    for (const node of nodes) expect(node.output).not.toContain('secret');
  });

  it('keeps to the kinds that are wanted', async () => {
    const config = configWith(`webhook: "${hookUrl()}", on: [dead-letter]`);
    const victim = await start('mac-1', config);
    await start('mac-2', config);
    await sleep(600); // as above
    await victim.kill();
    await runCli(['--config', config, 'enqueue', 'fail invalid', '--wait']);
    await expect.poll(told, { timeout: 10_000 }).toEqual(['dead-letter firing default']);
  });

  it('tells when tasks wait too long and when no node takes any, also after all nodes have gone, and when that is over', async () => {
    const bin = emptyFolder();
    const shown = join(bin, 'shown');
    writeFileSync(join(bin, 'osascript'), `#!/bin/sh\nfor last; do :; done\necho "$last" >> '${shown}'\n`, {
      mode: 0o755,
    });
    const config = configWith(
      `webhook: "${hookUrl()}", notification: true, oldestWaiting: 2s, on: [queue-old, no-nodes]}\ndashboard: {port: ${await freePort()}`,
    );
    const board = new CliProcess(['--config', config, 'dashboard'], { PATH: `${bin}:${process.env.PATH}` });
    nodes.push(board);
    await board.waitFor(/dashboard of mesh/);
    const id = (await runCli(['--config', config, 'enqueue', 'hello'])).stdout.trim();
    await expect.poll(told, { timeout: 20_000 }).toEqual(['queue-old firing default', 'no-nodes firing mesh']);
    await expect
      .poll(() => readFileSync(shown, 'utf8'))
      .toMatch(/🔴 tasks of pool default have waited for \S+\n🔴 no node takes tasks/);
    await start('mac-1', config);
    await runCli(['--config', config, 'task', 'wait', id]);
    await expect
      .poll(() => told().slice(2).sort(), { timeout: 20_000 })
      .toEqual(['no-nodes resolved mesh', 'queue-old resolved default']);
  });

  it('can be tried out', async () => {
    const config = configWith(`webhook: "${hookUrl()}"`);
    expect(await runCli(['--config', config, 'alerts', 'test'])).toMatchObject({ code: 0, stderr: 'delivered\n' });
    expect(told()).toEqual(['test firing test']);
    refuse = 1;
    expect(await runCli(['--config', config, 'alerts', 'test'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('could not be delivered: the webhook has answered 503'),
    });
    const nowhere = await runCli(['--config', configWith('webhook: "http://127.0.0.1:1/secret"'), 'alerts', 'test']);
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining("can't be reached: ") });
    expect(nowhere.stderr).not.toContain('secret');
    expect(await runCli(['--config', configWith(''), 'alerts', 'test'])).toMatchObject({ code: 2 });
    expect((await runCli(['--config', config, 'config', 'show'])).stdout).not.toContain('secret');
  });
});
