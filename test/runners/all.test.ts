import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { configSchema } from '../../src/config/schema.ts';
import { OPENCLAW_MODES } from '../../src/domain/node.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { chooseMode, createRunner, kindOf, RUNNERS, stopLeftInGateway } from '../../src/runners/all.ts';
import { Submissions } from '../../src/runners/submissions.ts';
import { writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { standIn } from '../support/openclaw-stand-in.ts';
import { StandInGateway } from '../support/stand-in-gateway.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('the list of runners', () => {
  it('has exactly one runner for each mode of the config, with the simulation last', () => {
    expect(RUNNERS.map(({ mode }) => mode).toSorted()).toEqual(OPENCLAW_MODES.toSorted());
    expect(RUNNERS.at(-1)?.mode).toBe('simulate');
  });

  it.each([
    ['gateway', { outlivesDaemon: true, hasProvider: true, limitsRuns: true, startsProgram: false }],
    ['exec', { outlivesDaemon: false, hasProvider: true, limitsRuns: false, startsProgram: true }],
    ['simulate', { outlivesDaemon: false, hasProvider: false, limitsRuns: false, startsProgram: false }],
  ] as const)('builds for mode %s a runner with the capabilities %j', async (mode, capabilities) => {
    expect(kindOf(mode).capabilities).toMatchObject({ ...capabilities, remedy: expect.stringMatching(/\w{4}/) });
    const config = configSchema.parse({ mesh: 'm', redis: { url: 'redis://localhost' } });
    const clock = new VirtualClock();
    const runner = createRunner(mode, { config, nodeId: 'n', env: {}, submissions: undefined, clock });
    await runner.close();
    expect(runner).toMatchObject({ mode, capabilities });
  });
});

describe('the mode of a node', () => {
  let server: Server;
  /** How the gateway answers whether it is ready; undefined for not at all. */
  let status: number | undefined;
  let asked: string[];
  const clock = new VirtualClock();

  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      if (status !== undefined) response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const choose = (mode: string, bin: string) => {
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const openclaw = { mode, gateway: { url }, exec: { bin } };
    const config = configSchema.parse({ mesh: 'm', redis: { url: 'redis://localhost' }, openclaw });
    return chooseMode(config, { PATH: emptyFolder() }, clock);
  };

  it.each(OPENCLAW_MODES)('uses %s if the config says so, and probes nothing', async (mode) => {
    expect(await choose(mode, 'openclaw')).toBe(mode);
    expect(asked).toEqual([]);
  });

  it.each([
    ['gateway', 'its gateway is ready', 200, true],
    ['exec', 'its gateway is not ready and openclaw is installed', 503, true],
    ['simulate', 'its gateway is not ready and openclaw is not installed', 503, false],
  ] as const)('uses %s in auto mode if %s', async (mode, _, answer, installed) => {
    status = answer;
    expect(await choose('auto', installed ? standIn('').bin : 'openclaw')).toBe(mode);
    expect(asked).toEqual(['/readyz']);
    expect(clock.pending).toBe(0);
  });

  it('ignores a gateway that has not replied after exactly 1.5 s', async () => {
    status = undefined;
    let mode: string | undefined;
    void choose('auto', 'openclaw').then((chosen) => {
      mode = chosen;
    });
    await expect.poll(() => asked).toEqual(['/readyz']);
    await clock.advance(1_499);
    expect(mode).toBeUndefined();
    expect(clock.nextInMs).toBe(1);
    await clock.advance(1);
    await expect.poll(() => mode).toBe('simulate');
  });
});

it('stops the runs that a node left in its gateway even if it uses another mode now', async () => {
  const gateway = await StandInGateway.start();
  const submissions = join(emptyFolder(), 'submissions');
  const { config } = loadConfig({
    file: writeConfig(`openclaw: {mode: exec, gateway: {url: "${gateway.url}"}}\n`),
    env: {},
  });
  const options = { config, nodeId: 'n', env: {}, submissions, clock: systemClock };
  expect(stopLeftInGateway('exec', options)).toBeUndefined();
  const left = { runId: 'r1', sessionKey: 'chat', boot: gateway.boot, accepted: true, endsBy: 0 };
  await new Submissions(submissions).put({ ...left, state: 'running' });
  expect(stopLeftInGateway('gateway', options)).toBeUndefined();
  const runner = stopLeftInGateway('exec', options);
  onTestFinished(async () => {
    await runner?.close();
    await gateway.stop();
  });
  await expect.poll(() => gateway.asked('sessions.abort')).toEqual([{ key: 'chat', runId: 'r1' }]);
});
