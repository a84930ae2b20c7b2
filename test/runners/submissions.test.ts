import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hasSubmissions, type Submission, Submissions } from '../../src/runners/submissions.ts';
import { emptyFolder } from '../support/folders.ts';

const submission = (runId: string, more: Partial<Submission> = {}): Submission => ({
  runId,
  sessionKey: 's',
  boot: 'b',
  accepted: false,
  endsBy: 0,
  state: 'running',
  ...more,
});
const newFolder = () => join(emptyFolder(), 'submissions');

it('restores the last version of each record in the next process, until it is removed', async () => {
  const folder = newFolder();
  const before = new Submissions(folder);
  await before.put(submission('r1'));
  await before.put(submission('r2', { agent: 'main' }));
  const changed = submission('r1', { accepted: true, state: 'abort' });
  await before.put(changed);
  await before.remove('r2');
  const next = new Submissions(folder);
  expect([next.all(), next.get('r1'), next.get('r2'), next.trouble]).toEqual([[changed], changed, undefined, null]);
});

it.each(['../../r', 'a/b', 'x'.repeat(1_000), 'ü\0'])(
  'keeps the record of any run id in its own folder: %j',
  async (runId) => {
    const folder = newFolder();
    await new Submissions(folder).put(submission(runId));
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.json$/)]);
    expect(new Submissions(folder).all()).toEqual([submission(runId)]);
  },
);

it('keeps each record in a file that only its owner can read', async () => {
  const folder = newFolder();
  await new Submissions(folder).put(submission('r1'));
  expect(readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([0o600]);
});

it('leaves the last version on disk, however many changes come during a write', async () => {
  const folder = newFolder();
  const submissions = new Submissions(folder);
  const changes = [
    submissions.put(submission('r1')),
    submissions.put(submission('r1', { accepted: true })),
    submissions.put(submission('r2')),
    submissions.remove('r2'),
  ];
  await Promise.all(changes);
  expect(new Submissions(folder).all()).toEqual([submission('r1', { accepted: true })]);
});

it('says why records cannot be written until all are, removed ones included', async () => {
  const folder = newFolder();
  const submissions = new Submissions(folder);
  await submissions.put(submission('r1'));
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'in the way');
  await submissions.put(submission('r2'));
  await submissions.remove('r1');
  expect(submissions.trouble).toContain(`can't record runs in ${folder}: `);
  await submissions.mend();
  expect(submissions.trouble).not.toBeNull();
  rmSync(folder);
  await submissions.mend();
  expect(submissions.trouble).toBeNull();
  expect(new Submissions(folder).all()).toEqual([submission('r2')]);
});

it('reads what an earlier process left as soon as it can, but nothing that has changed since', async () => {
  const folder = newFolder();
  const before = new Submissions(folder);
  await before.put(submission('r1'));
  await before.put(submission('r2'));
  const [away, files] = [newFolder(), readdirSync(folder)];
  renameSync(folder, away);
  writeFileSync(folder, 'in the way');
  const next = new Submissions(folder);
  expect([next.all(), next.trouble === null]).toEqual([[], false]);
  await next.put(submission('r1', { state: 'abort' }));
  rmSync(folder);
  renameSync(away, folder);
  await next.mend();
  expect(next.all()).toEqual([submission('r1', { state: 'abort' }), submission('r2')]);
  expect(readdirSync(folder)).toEqual(files);
});

it('keeps records only in memory without a folder, and reports no error', async () => {
  const submissions = new Submissions(undefined);
  await submissions.put(submission('r1'));
  expect([submissions.all(), submissions.trouble]).toEqual([[submission('r1')], null]);
});

it('knows whether a node has left records, without making a folder', async () => {
  const folder = newFolder();
  expect(hasSubmissions(folder)).toBe(false);
  const submissions = new Submissions(folder);
  expect(hasSubmissions(folder)).toBe(false);
  await submissions.put(submission('r1'));
  expect(hasSubmissions(folder)).toBe(true);
  await submissions.remove('r1');
  expect(hasSubmissions(folder)).toBe(false);
});
