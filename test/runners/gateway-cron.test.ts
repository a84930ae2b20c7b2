import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { GatewayCron } from '../../src/runners/gateway-cron.ts';
import { aCronJob, StandInGateway } from '../support/stand-in-gateway.ts';

describe("the client of a gateway's cron", () => {
  let gateway: StandInGateway;
  let cron: GatewayCron;
  beforeEach(async () => {
    gateway = await StandInGateway.start();
    cron = await GatewayCron.open({
      url: gateway.url.replace('ws://', 'ws://user:pass@'),
      token: 't',
      clock: systemClock,
    });
  });
  afterEach(async () => {
    await cron.close();
    await gateway.stop();
  });

  it('knows the gateway by its id, and shows its address without a password', () => {
    expect(cron).toMatchObject({ id: 'stand-in', address: gateway.url });
  });

  it('lists all jobs of any number of pages, with the time of their next run', async () => {
    for (let n = 0; n < 450; n++) gateway.cronJobs.push({ ...aCronJob, id: `job-${n}` });
    const jobs = await cron.list();
    expect(jobs.map(({ id }) => id)).toEqual(Array.from({ length: 450 }, (_, n) => `job-${n}`));
    expect(jobs[0]).toMatchObject({ name: 'Morning brief', nextRunAtMs: aCronJob.state.nextRunAtMs });
    expect(gateway.asked('cron.list').map(({ offset }) => offset)).toEqual([0, 200, 400]);
  });

  it('enables and disables a job', async () => {
    gateway.cronJobs.push({ ...aCronJob });
    await cron.setEnabled('job-1', false);
    expect(gateway.cronJobs).toMatchObject([{ enabled: false }]);
    await cron.setEnabled('job-1', true);
    expect(gateway.cronJobs).toMatchObject([{ enabled: true }]);
  });

  it('reports in one line what the gateway refuses, or what it does not understand', async () => {
    const address = gateway.url;
    await expect(cron.setEnabled('gone', false)).rejects.toMatchObject({
      code: 'failed',
      message: `the OpenClaw gateway at ${address} can't be used: it refused cron.update: Automation not found: gone`,
    });
    gateway.cronJobs.push({ id: 'job-1' });
    await expect(cron.list()).rejects.toMatchObject({
      message: `the OpenClaw gateway at ${address} can't be used: it sent cron jobs that clawmesh does not understand`,
    });
  });
});
