import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { stopLeftInGateway } from '../../src/runners/all.ts';
import { Submissions } from '../../src/runners/submissions.ts';
import { writeConfig } from '../support/cli.ts';
import { emptyFolder } from '../support/folders.ts';
import { StandInGateway } from '../support/stand-in-gateway.ts';

it('stops the runs that a node left in its gateway although the node runs tasks in another mode now', async () => {
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
