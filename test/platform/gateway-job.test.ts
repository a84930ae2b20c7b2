import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { restartGatewayJob } from '../../src/platform/gateway-job.ts';
import { emptyFolder } from '../support/folders.ts';

const path = process.env.PATH;
afterEach(() => {
  process.env.PATH = path;
});

/** Programs of the system that write down how they are called. */
const fakePrograms = (exitCode: number) => {
  const folder = emptyFolder();
  for (const name of ['launchctl', 'systemctl']) {
    const file = join(folder, name);
    writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> ${folder}/calls\necho "it said no" >&2\nexit ${exitCode}\n`);
    chmodSync(file, 0o755);
  }
  process.env.PATH = `${folder}:${path}`;
  return () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
};

it('restarts the gateway through the service manager that keeps it running', async () => {
  const calls = fakePrograms(0);
  await restartGatewayJob(undefined, 'darwin');
  await restartGatewayJob('my.gateway', 'darwin');
  await restartGatewayJob(undefined, 'linux');
  expect(calls()).toEqual([
    `launchctl kickstart -k gui/${process.getuid?.()}/ai.openclaw.gateway`,
    `launchctl kickstart -k gui/${process.getuid?.()}/my.gateway`,
    'systemctl --user restart openclaw-gateway.service',
  ]);
});

it('says why the gateway could not be restarted', async () => {
  fakePrograms(1);
  await expect(restartGatewayJob(undefined, 'darwin')).rejects.toThrow('it said no');
});
