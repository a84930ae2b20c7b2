import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliProcess, runCli } from '../../support/cli.ts';
import { emptyFolder } from '../../support/folders.ts';
import { reservePort } from '../../support/ports.ts';
import { ProcessMesh } from '../../support/process-mesh.ts';

interface Posted {
  readonly kind: string;
  readonly state: string;
  readonly subject: string;
  readonly text: string;
  readonly summary: string;
}

describe('alerts of a mesh', () => {
  let mesh: ProcessMesh;
  let hook: Server;
  const posted: Posted[] = [];
  /** How many requests are refused first. */
  let refuse = 0;

  beforeEach(async () => {
    posted.length = 0;
    refuse = 0;
    mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
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
    await mesh.stop();
    hook.closeAllConnections();
    hook.close();
  });

  const hookUrl = () => `http://127.0.0.1:${(hook.address() as AddressInfo).port}/services/T0/secret`;
  const configWith = (alerts: string) => mesh.configWith(`alerts: {${alerts}}\n`);
  const told = () => posted.map(({ kind, state, subject }) => `${kind} ${state} ${subject}`);

  it('reports a dead node and its return once, although all nodes watch and the webhook fails at first', async () => {
    refuse = 2;
    const file = join(emptyFolder(), 'told');
    mesh.config = configWith(`webhook: "${hookUrl()}", command: "cat >> ${file}"`);
    await mesh.startNodes('mac-1', 'mac-2', 'mac-3');
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await expect.poll(told).toEqual(['node-dead firing mac-1']);
    expect(posted[0]).toMatchObject({
      mesh: 'm',
      summary: 'node mac-1 is dead (crash)',
      text: expect.stringMatching(/^🔴 clawmesh m: node mac-1 is dead \(crash\)\n→ /),
    });
    await mesh.startNode('mac-1');
    await expect.poll(told).toEqual(['node-dead firing mac-1', 'node-dead resolved mac-1']);
    await expect.poll(() => existsSync(file) && readFileSync(file, 'utf8')).toContain('node mac-1 is up again');

    // Dead letters of a pool are told once in ten minutes: the second is on record before the next alert of another
    // kind.
    for (const text of ['fail invalid', 'fail invalid again']) await mesh.cli('enqueue', text, '--wait');
    await expect.poll(() => told().slice(2)).toEqual(['dead-letter firing default']);
    expect((await mesh.cli('events', '--json')).stdout).toMatch(/"event":"dead-letter","node":"mac/);
    await mesh.presenceSeen('mac-2');
    await mesh.kill('mac-2');
    await expect.poll(() => told().slice(3)).toEqual(['node-dead firing mac-2']);
    for (const node of mesh.nodes.values()) expect(node.output).not.toContain('secret');
  });

  it('sends only the configured kinds of alerts', async () => {
    mesh.config = configWith(`webhook: "${hookUrl()}", on: [dead-letter]`);
    await mesh.startNodes('mac-1', 'mac-2');
    await mesh.presenceSeen('mac-1');
    await mesh.kill('mac-1');
    await mesh.nodeState('mac-1', 'dead');
    await mesh.cli('enqueue', 'fail invalid', '--wait');
    await expect.poll(told).toEqual(['dead-letter firing default']);
  });

  it('reports long waits and a lack of nodes, and their end, even after all nodes have gone', async () => {
    const bin = emptyFolder();
    const shown = join(bin, 'shown');
    writeFileSync(join(bin, 'osascript'), `#!/bin/sh\nfor last; do :; done\necho "$last" >> '${shown}'\n`, {
      mode: 0o755,
    });
    mesh.config = configWith(
      `webhook: "${hookUrl()}", notification: true, oldestWaiting: 2s, on: [queue-latency, no-nodes]}\ndashboard: {port: ${await reservePort()}`,
    );
    const board = new CliProcess(['--config', mesh.config, 'dashboard'], { PATH: `${bin}:${process.env.PATH}` });
    await board.waitFor(/dashboard of mesh/);
    const id = await mesh.enqueue('hello');
    await expect.poll(() => told().toSorted()).toEqual(['no-nodes firing mesh', 'queue-latency firing default']);
    await expect
      .poll(() => readFileSync(shown, 'utf8').split('\n').toSorted().join('\n'))
      .toMatch(/🔴 no node claims tasks[\s\S]*🔴 the oldest task in pool default has waited for \S+/);
    await mesh.startNode('mac-1');
    await mesh.taskState(id, 'completed');
    await expect
      .poll(() => told().slice(2).toSorted())
      .toEqual(['no-nodes resolved mesh', 'queue-latency resolved default']);
    await board.kill();
  });

  it('sends a test alert', async () => {
    const config = configWith(`webhook: "${hookUrl()}"`);
    expect(await runCli(['--config', config, 'alerts', 'test'])).toMatchObject({
      code: 0,
      stderr: 'the test alert was delivered\n',
    });
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
