import { beforeEach, describe, expect, it } from 'vitest';
import type { CronJob } from '../../src/domain/cron-job.ts';
import { ClawmeshError } from '../../src/domain/errors.ts';
import {
  type CronGateway,
  type ImportTarget,
  importJobs,
  type JobReport,
  undoImport,
} from '../../src/ops/cron-import/import.ts';
import { type TranslateOptions, translate } from '../../src/ops/cron-import/translate.ts';
import { ImportedJobs } from '../../src/queue/imported-jobs.ts';
import { meshPerTest, newTask, type TestMesh } from '../support/pool.ts';

const NOW = Date.UTC(2026, 10, 28, 10, 0);

function cronJob(fields: Partial<CronJob> = {}): CronJob {
  return {
    id: 'job-1',
    name: 'Morning brief',
    enabled: true,
    schedule: { kind: 'cron', expr: '0 7 * * *', tz: 'Europe/Berlin' },
    sessionTarget: 'isolated',
    wakeMode: 'now',
    payload: { kind: 'agentTurn', message: 'summarize the night' },
    delivery: { mode: 'none' },
    ...fields,
  };
}

const options: TranslateOptions = {
  timezone: 'Asia/Tokyo',
  withoutDelivery: false,
  pool: undefined,
  attempts: 3,
  now: NOW,
};

describe('a cron job of OpenClaw as a schedule', () => {
  const translated = (fields: Partial<CronJob>, more: Partial<TranslateOptions> = {}) =>
    translate(cronJob(fields), { ...options, ...more });
  const agentTurn = (fields: object) => ({ payload: { kind: 'agentTurn', message: 'm', ...fields } });
  const cron = (expr: string) => ({ schedule: { kind: 'cron', expr } });
  const inSlack = { mode: 'announce', channel: 'slack', to: 'channel:C1' };

  it('keeps cron line, zone, agent, session, model, thinking level and time limit', () => {
    const job = {
      agentId: 'ops',
      sessionTarget: 'session:night',
      ...agentTurn({ message: 'look', model: 'fake/echo', thinking: 'low', timeoutSeconds: 90 }),
    };
    expect(translated(job, { pool: 'nightly' })).toMatchObject({
      name: 'morning-brief',
      times: { cron: '0 7 * * *', timezone: 'Europe/Berlin' },
      firstAt: undefined,
      task: {
        message: 'look',
        agent: 'ops',
        session: 'night',
        model: 'fake/echo',
        thinking: 'low',
        timeoutMs: 90_000,
        pool: 'nightly',
        attempts: 3,
      },
    });
  });

  it("gives an isolated job a new session per run, and a job without a zone that of the gateway's machine", () => {
    const found = translated(cron('30 6 * * 1-5'));
    expect(found).toMatchObject({ times: { cron: '30 6 * * 1-5', timezone: 'Asia/Tokyo' } });
    expect(found).not.toHaveProperty('task.session');
    expect(translated(cron('0 0 7 * * *'))).toMatchObject({ times: { cron: '0 7 * * *' } });
    expect(translated({ schedule: { kind: 'cron', expr: '0 7 * * *', tz: 'UTC', staggerMs: 300_000 } })).toMatchObject({
      times: { timezone: 'UTC' },
    });
  });

  it.each([
    ['as the gateway says', NOW + 20_000, NOW + 20_000],
    ['at once if it is late', NOW - 1, NOW],
    ['after one interval at most', NOW + 1e12, NOW + 60_000],
    ['after one interval if the gateway does not say', undefined, NOW + 60_000],
  ])('keeps an interval, whose first run is due %s', (_when, nextRunAtMs, firstAt) => {
    expect(translated({ schedule: { kind: 'every', everyMs: 60_000, anchorMs: 5 }, nextRunAtMs })).toMatchObject({
      times: { everyMs: 60_000 },
      firstAt,
    });
  });

  it.each<[string, Partial<CronJob>]>([
    ['it runs only once', { schedule: { kind: 'at', at: '2026-12-01T00:00:00Z' } }],
    ['it runs only once', { deleteAfterRun: true }],
    ['it runs when a command of its own reports something', { schedule: { kind: 'on-exit', command: 'make' } }],
    ['it runs when a command of its own reports something', { schedule: { kind: 'stream', command: ['tail'] } }],
    ['it has times of an unknown kind (moon)', { schedule: { kind: 'moon' } }],
    ['its times have jitter, which schedules lack', { schedule: { kind: 'every', everyMs: 60_000, jitter: 5 } }],
    ["its times don't fit a schedule: --every: expected at least 1s", { schedule: { kind: 'every', everyMs: 10 } }],
    ['its times don\'t fit a schedule: --cron: "0 0 7 * * * *" is not', cron('0 0 7 * * * *')],
    ['its times don\'t fit a schedule: --cron: "30 0 7 * * *" is not', cron('30 0 7 * * *')],
    ["its times don't fit a schedule: --tz: unknown", { schedule: { kind: 'cron', expr: '0 7 * * *', tz: 'Mars' } }],
    ['its cron line "0 7 */2 * 1" means something else', cron('0 7 */2 * 1')],
    ['its cron line "0 7 1 * */2" means something else', cron('0 7 1 * */2')],
    ['its cron line "0 7 ? * 1" means something else', cron('0 7 ? * 1')],
    ['it runs only if a script of its own decides so', { trigger: { script: 'x' } }],
    ['it sets its own pace', { pacing: { min: '1h' } }],
    ['it runs in the main session of its gateway', { sessionTarget: 'main' }],
    ['it runs in the current session of its gateway', { sessionTarget: 'current' }],
    ['it adds an event to the main session', { payload: { kind: 'systemEvent', text: 'x' } }],
    ["it runs a command on its gateway's machine", { payload: { kind: 'command', argv: ['ls'] } }],
    ["it runs a script on its gateway's machine", { payload: { kind: 'script', script: 'ls' } }],
    ['it does something of an unknown kind (dance)', { payload: { kind: 'dance' } }],
    ['it limits the tools of its agent', agentTurn({ toolsAllow: ['read'] })],
    ['its options have fallbacks, which schedules lack', agentTurn({ fallbacks: ['a/b'] })],
    ['its runs have no time limit', agentTurn({ timeoutSeconds: 0 })],
    ['its task does not fit: message: must not be empty', agentTurn({ message: ' ' })],
    ['its task does not fit: agent: expected an agent id', { agentId: 'a b' }],
    ['its message contains {{result:…}}', agentTurn({ message: '{{result:repeat:a:1}}' })],
    ['it has only the rights of the account', { scheduledToolPolicy: { version: 1, mode: 'account' } }],
    ['OpenClaw or a plugin manages it', { declarationKey: 'heartbeat:main' }],
    ['its result goes to a webhook', { delivery: { mode: 'webhook', to: 'https://x' } }],
    ['its result goes to the last chat', { delivery: { mode: 'announce' } }],
    ['its result goes to the last chat', { delivery: { mode: 'announce', channel: 'last', to: 'C1' } }],
    [
      'its result goes to several places',
      { delivery: { ...inSlack, completionDestination: { mode: 'webhook', to: 'https://x' } } },
    ],
    ['its result goes to a chat if it fails', { delivery: { mode: 'none', failureDestination: { to: 'C1' } } }],
    ['its result goes to an alert if it fails', { failureAlert: { after: 2 } }],
    ['its task does not fit: deliver.to: is longer', { delivery: { ...inSlack, to: 'x'.repeat(300) } }],
  ])('stays in OpenClaw because %s', (why, fields) => {
    expect(translated(fields)).toEqual(expect.stringContaining(why));
  });

  it('stays in OpenClaw if its zone is unknown', () => {
    expect(translated(cron('0 7 * * *'), { timezone: undefined })).toMatch(/no time zone.*add --tz/);
    expect(translated({ schedule: { kind: 'every', everyMs: 60_000 } }, { timezone: undefined })).toBeTypeOf('object');
  });

  it('keeps its delivery to a chat', () => {
    const delivery = { ...inSlack, accountId: 'work', threadId: 7, bestEffort: true };
    const deliver = { channel: 'slack', to: 'channel:C1', account: 'work', thread: '7' };
    expect(translated({ delivery })).toMatchObject({ task: { deliver } });
  });

  it('loses a delivery that tasks do not have only if the operator agrees', () => {
    const found = translated({ delivery: { mode: 'announce' } }, { withoutDelivery: true });
    expect(found).toMatchObject({ name: 'morning-brief' });
    expect(found).not.toHaveProperty('task.deliver');
  });

  it.each([[undefined], [['*']], [['*', 'read']]])('may use all tools with toolsAllow %j', (toolsAllow) => {
    expect(translated(agentTurn({ toolsAllow }))).toBeTypeOf('object');
  });

  it.each([
    ['Über-Nacht: Prüfung!', 'uber-nacht-prufung'],
    ['日報', 'cron-job'],
    ['x'.repeat(80), 'x'.repeat(50)],
  ])('gets a valid schedule name from %s', (name, expected) => {
    expect(translated({ name })).toMatchObject({ name: expected });
  });

  it('is the same job in another gateway only if it does the same at the same times', () => {
    const digest = (fields: Partial<CronJob>) => {
      const found = translated(fields);
      return typeof found === 'string' ? found : found.digest;
    };
    expect(digest({ id: 'job-2', createdAtMs: 5, state: { lastRunAtMs: 7 } })).toBe(digest({}));
    for (const other of [agentTurn({}), { agentId: 'ops' }, cron('0 8 * * *'), { name: 'other' }]) {
      expect(digest(other)).not.toBe(digest({}));
    }
  });
});

/** The cron of a gateway, as far as the import uses it. */
class FakeCron implements CronGateway {
  readonly id: string;
  readonly jobs: CronJob[];
  /** Changes fail with this. */
  refuses: Error | undefined;

  constructor(id: string, ...jobs: CronJob[]) {
    this.id = id;
    this.jobs = jobs;
  }

  get enabled(): string[] {
    return this.jobs.filter(({ enabled }) => enabled).map(({ id }) => id);
  }

  async list(): Promise<CronJob[]> {
    return structuredClone(this.jobs);
  }

  async setEnabled(id: string, enabled: boolean): Promise<void> {
    if (this.refuses) throw this.refuses;
    const index = this.jobs.findIndex((job) => job.id === id);
    this.jobs[index] = { ...(this.jobs[index] as CronJob), enabled };
  }
}

describe('the import of cron jobs', () => {
  let mesh: TestMesh;
  let target: ImportTarget;
  const current = meshPerTest('cron-import');
  beforeEach(() => {
    mesh = current();
    target = { schedules: mesh.schedules, imported: new ImportedJobs(mesh.redis, mesh.keys) };
  });

  const once = { ...cronJob({ id: 'once', name: 'Once' }), schedule: { kind: 'at', at: '2027-01-01T00:00:00Z' } };
  const collect = async (reports: AsyncIterable<JobReport>): Promise<string[]> => {
    const lines: string[] = [];
    for await (const { id, schedule, outcome } of reports) lines.push([id, outcome, schedule ?? ''].join(' ').trim());
    return lines;
  };
  const run = (gateway: CronGateway, dryRun = false) =>
    collect(importJobs(gateway, target, { ...options, now: Date.now(), dryRun }));
  const undo = (gateway: CronGateway, dryRun = false) => collect(undoImport(gateway, target, { dryRun }));
  const names = async () => (await mesh.schedules.list()).map(({ name }) => name);

  it('makes jobs schedules, disables them in the gateway, and leaves the others there', async () => {
    const gateway = new FakeCron('a:1', cronJob(), once, cronJob({ id: 'off', enabled: false }));
    expect(await run(gateway)).toEqual(['job-1 imported morning-brief', 'once stays']);
    expect(gateway.enabled).toEqual(['once']);
    expect(await mesh.schedules.list()).toMatchObject([
      { name: 'morning-brief', cron: '0 7 * * *', timezone: 'Europe/Berlin', paused: false },
    ]);
  });

  it('changes nothing in a dry run', async () => {
    const gateway = new FakeCron('a:1', cronJob(), once);
    expect(await run(gateway, true)).toEqual(['job-1 imported morning-brief', 'once stays']);
    expect(gateway.enabled).toEqual(['job-1', 'once']);
    expect(await mesh.redis.keys(`${mesh.keys.bullPrefix}*`)).toEqual([]);
    await run(gateway);
    expect(await undo(gateway, true)).toEqual(['job-1 restored morning-brief']);
    expect(await names()).toEqual(['morning-brief']);
    expect(gateway.enabled).toEqual(['once']);
  });

  it('makes one schedule of the same job in three gateways, however often it is repeated', async () => {
    const gateways = ['a', 'b', 'c'].map((name) => new FakeCron(`${name}:1`, cronJob({ id: `job-of-${name}` })));
    for (const gateway of gateways) await run(gateway);
    for (const gateway of gateways)
      expect(await run(gateway)).toEqual([`${gateway.jobs[0]?.id} unchanged morning-brief`]);
    expect(gateways.flatMap(({ enabled }) => enabled)).toEqual([]);
    expect(await names()).toEqual(['morning-brief']);
  });

  it('keeps jobs apart that only have the same name, also from other schedules', async () => {
    await mesh.schedules.add('morning-brief', { everyMs: 60_000 }, newTask());
    const other = cronJob({ id: 'job-2', payload: { kind: 'agentTurn', message: 'something else' } });
    await run(new FakeCron('a:1', cronJob(), other, { ...other, id: 'copy' }));
    const found = await names();
    expect(found).toHaveLength(3);
    expect(found.every((name) => /^morning-brief(-[0-9a-f]{8})?$/.test(name))).toBe(true);
  });

  it('has an interval due when its gateway would have run it', async () => {
    const nextRunAtMs = Date.now() + 1_800_000;
    await run(new FakeCron('a:1', cronJob({ schedule: { kind: 'every', everyMs: 3_600_000 }, nextRunAtMs })));
    expect(await mesh.schedules.find('morning-brief')).toMatchObject({
      nextRunAt: new Date(nextRunAtMs).toISOString(),
    });
  });

  it('disables a job again that was enabled after its import', async () => {
    const gateway = new FakeCron('a:1', cronJob());
    await run(gateway);
    await gateway.setEnabled('job-1', true);
    expect(await run(gateway)).toEqual(['job-1 merged morning-brief']);
    expect(gateway.enabled).toEqual([]);
    expect(await names()).toEqual(['morning-brief']);
  });

  it('restores exactly what it changed', async () => {
    const gateway = new FakeCron('a:1', cronJob(), once, cronJob({ id: 'off', enabled: false }));
    const before = structuredClone(gateway.jobs);
    await run(gateway);
    expect(await undo(gateway)).toEqual(['job-1 restored morning-brief']);
    expect(gateway.jobs).toEqual(before);
    expect(await names()).toEqual([]);
    expect(await target.imported.list()).toEqual([]);
    expect(await undo(gateway)).toEqual([]);
  });

  it('restores only the jobs of the gateway it is told', async () => {
    const [a, b] = ['a', 'b'].map((name) => new FakeCron(`${name}:1`, cronJob())) as [FakeCron, FakeCron];
    for (const gateway of [a, b]) await run(gateway);
    await undo(a);
    expect([a.enabled, b.enabled]).toEqual([['job-1'], []]);
    await undo(b);
    expect(b.enabled).toEqual(['job-1']);
    expect(await target.imported.list()).toEqual([]);
  });

  it('keeps the schedule of a job that its gateway no longer has', async () => {
    const gateway = new FakeCron('a:1', cronJob());
    await run(gateway);
    gateway.jobs.length = 0;
    expect(await undo(gateway)).toEqual(['job-1 gone morning-brief']);
    expect(await names()).toEqual(['morning-brief']);
  });

  describe('that is interrupted', () => {
    const failure = new ClawmeshError('failed', 'interrupted');
    /** The mesh, with another way to add schedules. */
    const adding = (add: () => Promise<never>): ImportTarget => ({
      ...target,
      schedules: {
        add,
        list: () => mesh.schedules.list(),
        find: (name) => mesh.schedules.find(name),
        remove: (name) => mesh.schedules.remove(name),
        setPaused: (name, paused) => mesh.schedules.setPaused(name, paused),
      },
    });
    /** A killed process changes nothing any more. */
    const killedBeforeAdd = (gateway: CronGateway) => {
      void collect(
        importJobs(
          gateway,
          adding(() => new Promise(() => {})),
          { ...options, dryRun: false },
        ),
      );
    };

    it('leaves the job enabled if the mesh refuses its schedule', async () => {
      const gateway = new FakeCron('a:1', cronJob());
      const refused = importJobs(
        gateway,
        adding(() => Promise.reject(failure)),
        { ...options, dryRun: false },
      );
      await expect(collect(refused)).rejects.toThrow(failure);
      expect(gateway.enabled).toEqual(['job-1']);
      expect(await target.imported.list()).toEqual([]);
    });

    it('resumes after a kill between the two changes', async () => {
      const gateway = new FakeCron('a:1', cronJob());
      killedBeforeAdd(gateway);
      await expect.poll(() => gateway.enabled).toEqual([]);
      expect(await names()).toEqual([]);
      expect(await run(gateway)).toEqual(['job-1 imported morning-brief']);
      expect(await names()).toEqual(['morning-brief']);
    });

    it('can be undone after a kill between the two changes', async () => {
      const gateway = new FakeCron('a:1', cronJob());
      killedBeforeAdd(gateway);
      await expect.poll(() => gateway.enabled).toEqual([]);
      expect(await undo(gateway)).toEqual(['job-1 restored morning-brief']);
      expect(gateway.enabled).toEqual(['job-1']);
    });

    it('leaves the schedule running if the gateway refuses to enable the job', async () => {
      const gateway = new FakeCron('a:1', cronJob());
      await run(gateway);
      gateway.refuses = failure;
      await expect(undo(gateway)).rejects.toThrow(failure);
      expect(await mesh.schedules.find('morning-brief')).toMatchObject({ paused: false });
      gateway.refuses = undefined;
      expect(await undo(gateway)).toEqual(['job-1 restored morning-brief']);
    });
  });
});
