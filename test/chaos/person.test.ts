import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh } from '../../src/client/mesh.ts';
import { checkHistory } from '../model/check-history.ts';
import type { HistoryLine } from '../model/history.ts';
import { cleanEnv, writeConfig } from '../support/cli.ts';
import { claimNext, openTestMesh, success, type TestMesh } from '../support/pool.ts';
import { sharedClock } from '../support/shared-clock.ts';
import { startRedis, type TestRedis } from '../support/test-redis.ts';
import { Person } from './person.ts';
import { Recorder } from './recorder.ts';

describe('a simulated operator of a real mesh', () => {
  let server: TestRedis;
  let mesh: Mesh;
  let nodes: TestMesh;
  beforeAll(async () => {
    server = await startRedis();
    mesh = await Mesh.open({ config: writeConfig(`mesh: person\nredis: {url: "${server.url}"}\n`), env: cleanEnv() });
    nodes = await openTestMesh(server.url, 'person');
  });
  afterAll(async () => {
    await mesh?.close();
    await nodes?.close();
    await server?.stop();
  });

  const begin: HistoryLine = { kind: 'begin', version: 1, note: 'a test', at: 0, forgetsMs: 0, maxHandovers: 5 };

  async function enqueue(recorder: Recorder): Promise<string> {
    const { result, ...moment } = await recorder.timed(() => mesh.enqueue({ message: 'hello', attempts: 3 }));
    const taskId = result[0]?.id ?? '';
    const asked = { kind: 'asked', taskId, by: 'x', ...moment } as const;
    recorder.lines.push({ ...asked, what: 'enqueue', attempts: 3, answer: 'queued' });
    return taskId;
  }

  it('records each request with its reply, as the specification allows', async () => {
    const recorder = new Recorder();
    const person = new Person('anna', mesh, recorder);
    const id = await enqueue(recorder);
    for (const ask of [
      'retry',
      'cancel',
      'cancel',
      'show',
      'retry',
      'show',
      'remove',
      'show',
      'remove',
      'retry',
      'cancel',
    ] as const)
      await person[ask](id);
    const answers = recorder.lines.flatMap((line) => (line.kind === 'asked' ? line.answer : []));
    expect(answers).toEqual([
      'queued',
      'open',
      'cancelled',
      'ended',
      expect.objectContaining({ state: 'cancelled' }),
      'queued',
      expect.objectContaining({ state: 'waiting', record: expect.objectContaining({ length: 3 }) }),
      'removed',
      null,
      'gone',
      'gone',
      'gone',
    ]);
    expect(checkHistory([begin, ...recorder.lines])).toEqual({ tasks: 1, unexplained: [], forgotten: [] });
  });

  it('observes that a task is running, and later that it has completed', async () => {
    const recorder = new Recorder();
    const person = new Person('anna', mesh, recorder);
    const id = await enqueue(recorder);
    const consumer = await nodes.node('mac-1');
    const claim = await claimNext(consumer);
    const run = { taskId: id, run: 'r1' };
    const began = sharedMoment();
    recorder.lines.push({
      kind: 'began',
      ...run,
      ...began,
      node: 'mac-1',
      incarnation: null,
      attempt: 1,
      handovers: 0,
    });
    await person.remove(id);
    await person.show(id);
    recorder.lines.push({ kind: 'ended', ...run, ...sharedMoment(), how: 'answered' });
    await consumer.report(claim, { ...success, result: { ...success.result, runId: 'r1' } });
    for (const ask of ['retry', 'cancel', 'show'] as const) await person[ask](id);
    const answers = recorder.lines.flatMap((line) => (line.kind === 'asked' ? line.answer : []));
    expect(answers).toEqual([
      'queued',
      'running',
      expect.objectContaining({ state: 'active' }),
      'completed',
      'ended',
      expect.objectContaining({ state: 'completed', answer: 'r1' }),
    ]);
    expect(checkHistory([begin, ...recorder.lines])).toEqual({ tasks: 1, unexplained: [], forgotten: [] });
  });
});

function sharedMoment(): { called: number; answered: number } {
  const { earliest, latest } = sharedClock();
  return { called: earliest, answered: latest };
}
