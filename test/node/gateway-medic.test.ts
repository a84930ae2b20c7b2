import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { GatewayMedic } from '../../src/node/gateway-medic.ts';
import { restartGatewayJob } from '../../src/platform/gateway-job.ts';
import { emptyFolder } from '../support/folders.ts';

const log = pino({ level: 'silent' });

describe('a node whose gateway is in trouble', () => {
  it('restarts its job after a while, and no more often than it may', async () => {
    let now = 0;
    const restarts: number[] = [];
    const restart = async () => {
      restarts.push(now);
      throw new Error('no such job');
    };
    const medic = new GatewayMedic({ afterMs: 60_000, perHour: 2, restart, log, now: () => now });
    const looks = async (seconds: number, trouble: string | null) => {
      for (let i = 0; i < seconds; i += 10, now += 10_000) await medic.look(trouble);
    };
    await looks(50, 'hangs');
    await looks(10, null);
    await looks(60, 'hangs');
    expect(restarts).toEqual([]);
    await looks(600, 'hangs');
    expect(restarts).toEqual([120_000, 180_000]);
    await looks(3_600, 'hangs');
    expect(restarts).toHaveLength(4);
  });

  it('does nothing unless that is wanted, and in other modes', () => {
    const config = (openclaw: object) => configSchema.parse({ openclaw });
    expect(GatewayMedic.for('gateway', config({}), log)).toBeUndefined();
    const wanted = config({ gateway: { restart: { after: '2m' } } });
    expect(GatewayMedic.for('gateway', wanted, log)).toBeInstanceOf(GatewayMedic);
    expect(GatewayMedic.for('exec', wanted, log)).toBeUndefined();
  });
});

describe('the job of the gateway', () => {
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

  it('is restarted by what keeps it running', async () => {
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

  it('says why it could not be', async () => {
    fakePrograms(1);
    await expect(restartGatewayJob(undefined, 'darwin')).rejects.toThrow('it said no');
  });
});
