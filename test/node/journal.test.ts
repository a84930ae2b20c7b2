import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/domain/task.ts';
import { Journal, nodeFolders } from '../../src/node/journal.ts';
import { emptyFolder } from '../support/folders.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const run = { taskId: 't1', pool: 'p', attempt: 2, handovers: 1, holds: 0 };
const success = (text = 'ü\n'): Outcome => ({
  ok: true,
  result: { text, usage: null, model: null, runId: null, durationMs: 3 },
});

let clock: VirtualClock;
beforeEach(() => {
  clock = new VirtualClock();
});
const opened: Journal[] = [];
const lines: string[] = [];
const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
const open = async (folder: string) => {
  const journal = await Journal.open(folder, clock, log);
  opened.push(journal);
  return journal;
};
const entriesIn = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.json'));
/** Lets time pass, for a disk that is tried again, until the promise settles. The disk itself is a real one. */
const inTime = async <T>(promise: Promise<T>): Promise<T> => {
  let isSettled = false;
  void promise.finally(() => {
    isSettled = true;
  });
  while (!isSettled) await clock.advance(100);
  return promise;
};
const trouble = (journal: Journal, matching: unknown) => expect.poll(() => journal.trouble).toEqual(matching);

afterEach(async () => {
  await Promise.all(opened.splice(0).map((journal) => journal.close()));
  lines.length = 0;
});

it('keeps an outcome for the next incarnation until it is removed', async () => {
  const folder = emptyFolder();
  expect(await (await open(folder)).keep(run, success())).toBe(true);
  const next = await open(folder);
  expect(next.pending()).toMatchObject([{ ...run, outcome: success() }]);
  next.remove(run);
  await next.settled();
  expect((await open(folder)).pending()).toEqual([]);
});

it('keeps the runs of one task apart, runs before and after a hold included', async () => {
  const journal = await open(emptyFolder());
  await journal.keep(run, success('before the hold'));
  await journal.keep({ ...run, holds: 1 }, success('after it'));
  journal.remove({ ...run, holds: 1 });
  expect(journal.pending()).toMatchObject([{ holds: 0, outcome: success('before the hold') }]);
});

it('keeps only the newest hundred discarded outcomes', async () => {
  const folder = emptyFolder();
  const journal = await open(folder);
  for (let i = 0; i < 120; i++) {
    journal.discard({ ...run, taskId: `t${1000 + i}` }, success());
    await journal.settled();
  }
  expect(journal.counts()).toEqual({ pending: 0, discarded: 100 });
  expect(entriesIn(join(folder, 'discarded'))[0]).toContain('t1020');
  expect((await open(folder)).counts()).toEqual({ pending: 0, discarded: 100 });
});

it.each([
  ['cut', '{"taskId":"t2","pool":'],
  ['empty', ''],
  ['of another form', '{"taskId":"t2"}'],
  ['no JSON', 'x'.repeat(100)],
  ['much too large', ' '.repeat(17 * 1_048_576)],
])('sets aside an entry that is %s, and opens with the others', async (_, text) => {
  const folder = emptyFolder();
  await (await open(folder)).keep(run, success());
  writeFileSync(join(folder, 't2-1-0-0.json'), text);
  writeFileSync(join(folder, 't3-1-0-0.json.new'), '{"half');
  const journal = await open(folder);
  expect(journal.pending()).toMatchObject([run]);
  expect(journal.trouble).toBeUndefined();
  expect(readdirSync(folder).filter((name) => /t[23]/.test(name))).toEqual([]);
  expect(readFileSync(join(folder, 'broken', 't2-1-0-0.json'), 'utf8')).toBe(text);
});

it('opens without a disk, keeps outcomes in memory, and writes them once the disk works', async () => {
  const folder = join(emptyFolder(), 'outcomes');
  writeFileSync(folder, 'a file where the folder should be');
  const journal = await open(folder);
  expect(journal.trouble).toContain(folder);
  const heard: unknown[] = [];
  journal.onTrouble(() => heard.push(journal.trouble));
  const kept = journal.keep(run, success());
  journal.discard({ ...run, taskId: 't2' }, success());
  expect(journal.counts()).toEqual({ pending: 1, discarded: 1 });
  rmSync(folder);
  expect(await inTime(kept)).toBe(true);
  await journal.settled();
  expect(heard.at(-1)).toBeUndefined();
  expect([entriesIn(folder), entriesIn(join(folder, 'discarded'))]).toEqual([['t1-2-1-0.json'], ['t2-2-1-0.json']]);
  expect(lines.filter((line) => line.includes("can't keep")).length).toBeGreaterThan(0);
});

it('restores a folder that was removed, with its outcomes', async () => {
  const folder = join(emptyFolder(), 'outcomes');
  const journal = await open(folder);
  await journal.keep(run, success());
  rmSync(folder, { recursive: true });
  await journal.keep({ ...run, taskId: 't2' }, success());
  await journal.settled();
  expect(entriesIn(folder).sort()).toEqual(['t1-2-1-0.json', 't2-2-1-0.json']);
});

it('forgets an outcome that was delivered while the disk failed', async () => {
  const folder = join(emptyFolder(), 'outcomes');
  writeFileSync(folder, '');
  const journal = await open(folder);
  const kept = journal.keep(run, success());
  journal.remove(run);
  expect(await kept).toBe(false);
  rmSync(folder);
  await inTime(journal.settled());
  expect([journal.counts(), entriesIn(folder)]).toEqual([{ pending: 0, discarded: 0 }, []]);
});

it('keeps a discarded outcome even if its task has ended with another one before the disk was written', async () => {
  const folder = emptyFolder();
  const journal = await open(folder);
  void journal.keep(run, success());
  journal.discard(run, success());
  journal.remove(run);
  expect(journal.counts()).toEqual({ pending: 0, discarded: 1 });
  await journal.settled();
  expect([entriesIn(folder), entriesIn(join(folder, 'discarded'))]).toEqual([[], ['t1-2-1-0.json']]);
});

it('logs on close which outcomes it could not keep', async () => {
  const folder = join(emptyFolder(), 'outcomes');
  writeFileSync(folder, '');
  const journal = await Journal.open(folder, clock, log);
  void journal.keep(run, success());
  await inTime(journal.close());
  expect(lines.some((line) => line.includes('outcomes are lost') && line.includes('"t1"'))).toBe(true);
});

describe('a disk with hardly any room', () => {
  const disk = emptyFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status === 0;
  afterEach(() => {
    if (mounted) spawnSync('umount', ['-l', disk]);
  });

  it.skipIf(!mounted)('writes no part of an entry to a full disk, and the whole entry once there is room', async () => {
    const folder = join(disk, 'outcomes');
    const filler = join(disk, 'filler');
    writeFileSync(filler, 'x'.repeat(40_000));
    const journal = await open(folder);
    expect(journal.trouble).toBeUndefined();
    const kept = journal.keep(run, success('y'.repeat(30_000)));
    await trouble(journal, expect.stringContaining('ENOSPC'));
    expect(entriesIn(folder)).toEqual([]);
    // A small one still fits, whatever the large one does.
    expect(await journal.keep({ ...run, taskId: 't2' }, success())).toBe(true);
    rmSync(filler);
    expect(await inTime(kept)).toBe(true);
    await trouble(journal, undefined);
    await journal.close();
    expect((await open(folder)).pending()).toMatchObject([{ outcome: success('y'.repeat(30_000)) }, { taskId: 't2' }]);
  });
});

it('has one folder per mesh id, even for meshes of one name, and never outside the node’s folder', () => {
  const home = emptyFolder();
  const folders = ['a', 'b', '../../..', '/etc'].map(
    (meshId) => nodeFolders({ mesh: 'm', meshId, nodeId: 'n' }, { CLAWMESH_HOME: home }).outcomes,
  );
  expect(new Set(folders).size).toBe(4);
  for (const folder of folders) expect(join(folder, '..')).toBe(join(home, 'm', 'nodes', 'n', 'outcomes'));
  mkdirSync(folders[0] ?? '', { recursive: true });
  expect(existsSync(folders[1] ?? '')).toBe(false);
});
