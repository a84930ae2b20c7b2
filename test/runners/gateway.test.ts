import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/domain/clock.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { GatewayRunner } from '../../src/runners/gateway.ts';
import type { RunEvent, RunRequest } from '../../src/runners/runner.ts';
import { Submissions } from '../../src/runners/submissions.ts';
import { emptyFolder } from '../support/folders.ts';
import { StandInGateway } from '../support/stand-in-gateway.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const noted = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.json')).length;

/** The runner with a gateway that does what the test says; the real one is in test/groups/openclaw. */
describe('runs in a gateway', () => {
  let gateway: StandInGateway;
  let folder: string;
  const runners: GatewayRunner[] = [];

  beforeEach(async () => {
    gateway = await StandInGateway.start();
    folder = join(emptyFolder(), 'submissions');
  });
  afterEach(async () => {
    for (const runner of runners.splice(0)) await runner.close();
    await gateway.stop();
  });

  const startRunner = (reattached: readonly string[] | undefined = [], clock: Clock = systemClock) => {
    const options = {
      url: gateway.url,
      token: 't',
      nodeId: 'mac-1',
      submissions: new Submissions(folder),
      clock,
    };
    const runner = new GatewayRunner(options);
    runners.push(runner);
    if (reattached) runner.stopLeftovers(reattached);
    return runner;
  };
  const request = (taskId: string, more: Partial<RunRequest> = {}, session?: string, agent?: string): RunRequest => ({
    taskId,
    attempt: 1,
    handovers: 0,
    holds: 0,
    nodeId: 'mac-1',
    spec: { message: 'hello', tags: {}, session, agent },
    timeoutMs: 600_000,
    ...more,
  });
  const begin = (runner: GatewayRunner, asked: RunRequest) => {
    const stop = new AbortController();
    const events: RunEvent[] = [];
    const result = runner.run(asked, stop.signal, (event) => events.push(event));
    return { result, events, stop: () => stop.abort() };
  };
  const healthy = (runner: GatewayRunner) => expect.poll(async () => (await runner.health()).reason).toBe(null);

  it('records a run on disk before it submits it, and forgets it once its end is known', async () => {
    const { result } = begin(startRunner(), request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toEqual(['clawmesh-t1-1']);
    expect(new Submissions(folder).get('clawmesh-t1-1')).toMatchObject({
      sessionKey: 'chat',
      boot: gateway.boot,
      state: 'running',
    });
    gateway.finish('clawmesh-t1-1');
    expect(await result).toMatchObject({ ok: true, result: { text: 'done' } });
    expect(noted(folder)).toBe(0);
  });

  it('stops what an earlier incarnation left, under any session and agent, and is unhealthy until then', async () => {
    const previous = startRunner();
    for (const [id, session, agent] of [
      ['t1', 'chat'],
      ['t2', undefined],
      ['t3', 'chat', 'helper'],
    ] as const)
      void begin(previous, request(id, {}, session, agent));
    await expect.poll(() => gateway.running).toHaveLength(3);
    await previous.close();
    gateway.aborts = 'silent';
    const next = startRunner();
    await expect.poll(async () => (await next.health()).reason).toMatch(/^stopping 3 runs left over in the gateway/);
    await expect.poll(() => gateway.asked('sessions.abort')).toHaveLength(3);
    expect(gateway.asked('sessions.abort')).toContainEqual({ key: 'chat', agentId: 'helper', runId: 'clawmesh-t3-1' });
    gateway.aborts = 'answered';
    await healthy(next);
    expect(gateway.running).toEqual([]);
    await expect.poll(() => noted(folder)).toBe(0);
  });

  it('leaves the runs alone that it will re-attach to, and those of other nodes', async () => {
    void begin(startRunner(), request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    const other = new GatewayRunner({
      url: gateway.url,
      token: 't',
      nodeId: 'mac-2',
      submissions: new Submissions(join(emptyFolder(), 'submissions')),
      clock: systemClock,
    });
    runners.push(other);
    other.stopLeftovers([]);
    await healthy(other);
    const next = startRunner(['clawmesh-t1-1']);
    await healthy(next);
    expect(gateway.asked('sessions.abort')).toEqual([]);
    const { result } = begin(next, request('t1', { resumes: gateway.boot }, 'chat'));
    await expect.poll(() => gateway.asked('agent.wait').length).toBeGreaterThan(0);
    gateway.finish('clawmesh-t1-1');
    expect(await result).toMatchObject({ ok: true });
  });

  it('repeats an abort that failed or got no reply until it is confirmed', async () => {
    const clock = new VirtualClock();
    const runner = startRunner([], clock);
    const { result, stop } = begin(runner, request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    gateway.aborts = { code: 'UNAVAILABLE', message: 'not now' };
    stop();
    // The next abort, and beside it the end of the wait for one.
    await expect.poll(() => clock.pending).toBe(2);
    await clock.advance(5_000);
    expect(await result).toMatchObject({ ok: false });
    expect((await runner.health()).reason).toMatch(/^stopping 1 run left over in the gateway: not now/);
    // Between two aborts, none is on its way.
    await expect.poll(() => clock.pending).toBe(1);
    gateway.aborts = 'answered';
    await clock.advance(10_000);
    await expect.poll(() => gateway.running).toEqual([]);
    await healthy(runner);
    await expect.poll(() => noted(folder)).toBe(0);
  });

  it('frees the slot of a stopped run after exactly 5 s if the gateway does not confirm the abort', async () => {
    const clock = new VirtualClock();
    const runner = startRunner([], clock);
    const { result, stop } = begin(runner, request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    gateway.aborts = 'silent';
    stop();
    await expect.poll(() => clock.nextInMs).toBe(5_000);
    let ended: unknown;
    void result.then((outcome) => {
      ended = outcome;
    });
    await clock.advance(4_999);
    expect(ended).toBeUndefined();
    await clock.advance(1);
    expect(ended).toMatchObject({ ok: false, error: { kind: 'cancelled' } });
    await expect.poll(() => new Submissions(folder).get('clawmesh-t1-1')?.state).toBe('abort');
  });

  it.each([
    ['has not begun, if the gateway never took it', false, { ok: false, begun: false }],
    ['crashed, if the gateway had taken it', true, { ok: false, error: { kind: 'crash' } }],
  ])('reports after exactly 60 s without the gateway that a run %s', async (_, accepted, expected) => {
    const note = { runId: 'clawmesh-t1-1', sessionKey: 'chat', boot: 'previous', accepted, endsBy: 0 };
    if (accepted) await new Submissions(folder).put({ ...note, state: 'running' });
    gateway.shut();
    const clock = new VirtualClock();
    const { result } = begin(startRunner(['clawmesh-t1-1'], clock), request('t1', {}, 'chat'));
    let ended: unknown;
    void result.then((outcome) => {
      ended = outcome;
    });
    await clock.advance(59_999);
    expect(ended).toBeUndefined();
    await clock.advance(1);
    expect(ended).toMatchObject(expected);
    expect(ended).toHaveProperty('error.message', expect.stringMatching(/^the OpenClaw gateway is unreachable: /));
  });

  it('stops a run that was given up while the connection was down, once it is up again', async () => {
    const runner = startRunner();
    const { result, stop } = begin(runner, request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    gateway.shut();
    stop();
    await result;
    expect(gateway.running).toHaveLength(1);
    expect(new Submissions(folder).get('clawmesh-t1-1')?.state).toBe('abort');
    gateway.open();
    await expect.poll(() => gateway.running).toEqual([]);
    await expect.poll(() => noted(folder)).toBe(0);
  });

  it('submits a session’s next run only once its stopped one is confirmed to have ended', async () => {
    const runner = startRunner();
    const first = begin(runner, request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    gateway.aborts = { code: 'UNAVAILABLE', message: 'not now' };
    first.stop();
    await first.result;
    const second = begin(runner, request('t2', {}, 'chat'));
    const elsewhere = begin(runner, request('t3', {}, 'another'));
    await expect.poll(() => gateway.running).toContain('clawmesh-t3-1');
    expect(gateway.running).not.toContain('clawmesh-t2-1');
    gateway.aborts = 'answered';
    await expect.poll(() => gateway.running.toSorted()).toEqual(['clawmesh-t2-1', 'clawmesh-t3-1']);
    for (const id of gateway.running) gateway.finish(id);
    expect(await second.result).toMatchObject({ ok: true });
    expect(await elsewhere.result).toMatchObject({ ok: true });
  });

  it('stops a turn that a gateway resumes after its own restart, even if an earlier incarnation began it', async () => {
    void begin(startRunner(), request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    const [previous] = runners.splice(0);
    await previous?.close();
    gateway.restart();
    gateway.resume('chat');
    const next = startRunner();
    await expect.poll(() => gateway.running).toEqual([]);
    await healthy(next);
    expect(gateway.asked('sessions.abort')).toContainEqual({ key: 'chat' });
  });

  it('waits for the gateway to resume an interrupted turn or give it up, however late', async () => {
    void begin(startRunner(), request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    const [previous] = runners.splice(0);
    await previous?.close();
    gateway.restart();
    gateway.interrupted.add('chat');
    const next = startRunner();
    await expect.poll(() => gateway.asked('sessions.abort').length).toBeGreaterThan(2);
    expect((await next.health()).reason).toMatch(/^stopping 1 run left over/);
    gateway.resume('chat');
    await healthy(next);
    expect(gateway.running).toEqual([]);
  });

  it('begins a run that an earlier incarnation had claimed and never submitted', async () => {
    const { result, events } = begin(startRunner(['clawmesh-t1-1']), request('t1', { resumes: '' }));
    await expect.poll(() => gateway.running).toEqual(['clawmesh-t1-1']);
    await expect.poll(() => events).toContainEqual({ type: 'submitted', to: gateway.boot });
    gateway.finish('clawmesh-t1-1');
    expect(await result).toMatchObject({ ok: true });
  });

  it.each([
    ['begins a run that the previous gateway never accepted', false, [], { ok: true }],
    ['fails a run that the previous gateway had accepted', true, [], { error: { kind: 'crash' } }],
    ['fails a run that turns out to have begun', false, ['chat'], { error: { kind: 'crash' } }],
  ])('%s after a restart of the gateway', async (_, accepted, resumes, expected) => {
    const runId = 'clawmesh-t1-1';
    const note = { runId, sessionKey: 'chat', boot: 'previous', accepted, endsBy: 0, state: 'running' as const };
    await new Submissions(folder).put(note);
    gateway.restart();
    for (const session of resumes) gateway.resume(session);
    const { result } = begin(startRunner([runId]), request('t1', { resumes: '' }, 'chat'));
    if (!('error' in expected)) {
      await expect.poll(() => gateway.running).toEqual([runId]);
      gateway.finish(runId);
    }
    expect(await result).toMatchObject(expected);
    expect(gateway.running).toEqual([]);
    await expect.poll(() => noted(folder)).toBe(0);
  });

  it('resubmits a run while the gateway accepts none because it starts or is about to stop', async () => {
    gateway.turnAway = 3;
    const { result } = begin(startRunner(), request('t1'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    expect(gateway.asked('agent')).toHaveLength(4);
    gateway.finish('clawmesh-t1-1');
    expect(await result).toMatchObject({ ok: true });
  });

  it('forgets an abort that the gateway refuses for good only if the run cannot continue', async () => {
    const note = { runId: 'r1', sessionKey: 'chat', agent: 'helper', boot: gateway.boot, accepted: true };
    const submissions = new Submissions(folder);
    await submissions.put({ ...note, endsBy: Date.now() + 3_600_000, state: 'abort' });
    gateway.aborts = { code: 'INVALID_REQUEST', message: 'unauthorized' };
    const runner = startRunner();
    await expect.poll(() => gateway.asked('sessions.abort').length).toBeGreaterThan(2);
    expect((await runner.health()).reason).toMatch(/unauthorized/);
    gateway.aborts = { code: 'INVALID_REQUEST', message: 'agent "helper" not found' };
    await healthy(runner);
    await expect.poll(() => noted(folder)).toBe(0);
  });

  it('is unhealthy while it cannot record runs, continues those it has, and records them as soon as it can', async () => {
    const runner = startRunner();
    await healthy(runner);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'in the way');
    const { result } = begin(runner, request('t1'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    expect((await runner.health()).reason).toMatch(/^can't record runs in /);
    rmSync(folder);
    await healthy(runner);
    expect(noted(folder)).toBe(1);
    gateway.finish('clawmesh-t1-1');
    expect(await result).toMatchObject({ ok: true });
  });

  it('finds what an earlier incarnation left even if it cannot read that at first', async () => {
    const previous = startRunner();
    void begin(previous, request('t1', {}, 'chat'));
    await expect.poll(() => gateway.running).toHaveLength(1);
    await previous.close();
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, 'in the way');
    const next = startRunner();
    await expect.poll(async () => (await next.health()).reason).toMatch(/^can't record runs in /);
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    await healthy(next);
    expect(gateway.running).toEqual([]);
  });

  it('leaves files alone that are not its own records', async () => {
    const submissions = new Submissions(folder);
    await submissions.put({ runId: 'r1', sessionKey: 's', boot: 'b', accepted: false, endsBy: 0, state: 'running' });
    writeFileSync(join(folder, 'other.json'), '{"runId": "r2"}');
    writeFileSync(join(folder, 'huge.json'), ' '.repeat(1_000_000));
    expect(new Submissions(folder).all().map(({ runId }) => runId)).toEqual(['r1']);
    expect(readdirSync(folder)).toHaveLength(3);
  });
});
