import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { keepEvidence, PrintedLines } from './evidence.ts';
import { ProcessMesh } from './process-mesh.ts';

const kept: string[] = [];
afterAll(() => {
  for (const folder of kept) rmSync(folder, { recursive: true, force: true });
});

it('collects after a failed test the logs of all processes by time, Redis, and task histories, even of a stopped Redis', async () => {
  const mesh = await ProcessMesh.start({ openclaw: 'mode: simulate' });
  await mesh.startNodes('mac-1', 'mac-2');
  const id = await mesh.queueOne('hello');
  await mesh.taskState(id, 'completed');
  await mesh.stop();
  const folder = (await keepEvidence('a test: with "odd" signs / in its name', ['why it failed'])) ?? '';
  kept.push(folder);
  expect(readFileSync(join(folder, 'error.txt'), 'utf8')).toContain('why it failed');
  const lines = readFileSync(join(folder, 'processes.log'), 'utf8').trim().split('\n');
  const times = lines.map((line) => line.slice(0, 24));
  expect(times).toEqual(times.toSorted());
  for (const node of ['mac-1', 'mac-2']) expect(lines.join('\n')).toMatch(new RegExp(`Z ${node} .*node is up`));
  const redis = mesh.server.name;
  expect(Object.keys(JSON.parse(readFileSync(join(folder, `${redis}.json`), 'utf8')))).toContain(
    `{clawmesh:m}:default:${id}`,
  );
  const { m } = JSON.parse(readFileSync(join(folder, `${redis}-tasks.json`), 'utf8'));
  expect(m[0].history.map(({ event }: { event: string }) => event)).toEqual(['enqueued', 'claimed', 'completed']);
  // Those that have stopped are forgotten with it.
  expect(await keepEvidence('the next test', [])).toBeUndefined();
});

it('gives each line the time that its process wrote, or that of its arrival', () => {
  const before = Date.now();
  const printed = new PrintedLines();
  printed.add('{"level":30,"time":"2026-01-02T03:04:05.678Z","msg":"a"}\nplain');
  printed.add(' text\n');
  expect(printed.lines[0]?.at).toBe(Date.parse('2026-01-02T03:04:05.678Z'));
  expect(printed.lines[1]).toMatchObject({ text: 'plain text' });
  expect(printed.lines[1]?.at).toBeGreaterThanOrEqual(before);
});
