import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { JournalFiles } from '../../src/node/journal-files.ts';
import { emptyFolder } from '../support/folders.ts';

const never = (name: string, error: unknown) => {
  throw new Error(`${name}: ${error}`);
};
const prepared = async () => {
  const files = new JournalFiles(join(emptyFolder(), 'outcomes'));
  await files.prepare();
  return files;
};

it('makes its folder, readable only for its owner, and says whether it had to', async () => {
  const files = new JournalFiles(join(emptyFolder(), 'a', 'outcomes'));
  expect([await files.prepare(), await files.prepare()]).toEqual([true, false]);
  expect(statSync(files.folder).mode & 0o777).toBe(0o700);
});

it('reads back each entry under its name, from a file that only its owner can read', async () => {
  const files = await prepared();
  await files.write('a.json', 'first');
  await files.write('b.json', 'ü');
  await files.write('a.json', 'second');
  expect([...(await files.read(never))].sort()).toEqual([
    ['a.json', 'second'],
    ['b.json', 'ü'],
  ]);
  expect(statSync(join(files.folder, 'a.json')).mode & 0o777).toBe(0o600);
  await files.remove('a.json');
  await files.remove('never there.json');
  expect([...(await files.read(never)).keys()]).toEqual(['b.json']);
});

it('leaves no part of an entry that cannot be written', async () => {
  const files = await prepared();
  mkdirSync(join(files.folder, 'a.json', 'in the way'), { recursive: true });
  await expect(files.write('a.json', 'x')).rejects.toThrow();
  expect(readdirSync(files.folder).sort()).toEqual(['a.json', 'discarded']);
});

it('removes files that a process left half-written, and leaves other files alone', async () => {
  const files = await prepared();
  writeFileSync(join(files.folder, 'a.json.new'), '{"half');
  writeFileSync(join(files.folder, '.DS_Store'), 'x');
  expect(await files.read(never)).toEqual(new Map());
  expect(readdirSync(files.folder).sort()).toEqual(['.DS_Store', 'discarded']);
});

it('reads the other entries if one cannot be read, and names that one', async () => {
  const files = await prepared();
  mkdirSync(join(files.folder, 'a.json'));
  await files.write('b.json', 'x');
  const troubles: string[] = [];
  expect([...(await files.read((name) => troubles.push(name))).keys()]).toEqual(['b.json']);
  expect(troubles).toEqual(['a.json']);
});

it.each([
  [16 * 1_048_576, true],
  [16 * 1_048_576 + 1, false],
])('reads an entry of %i bytes: %s', async (bytes, isRead) => {
  const files = await prepared();
  await files.write('a.json', '');
  truncateSync(join(files.folder, 'a.json'), bytes);
  expect((await files.read(never)).has('a.json')).toBe(isRead);
  expect(existsSync(join(files.folder, 'broken', 'a.json'))).toBe(!isRead);
});

it('moves a discarded entry away from the undelivered ones, and counts it across restarts', async () => {
  const files = await prepared();
  await files.write('a.json', 'x');
  await files.discard('a.json', 'x');
  const next = new JournalFiles(files.folder);
  await next.prepare();
  expect(await next.read(never)).toEqual(new Map());
  expect([files.discarded, next.discarded]).toEqual([1, 1]);
  expect(readFileSync(join(files.folder, 'discarded', 'a.json'), 'utf8')).toBe('x');
});

it('stops counting discarded entries whose folder was removed', async () => {
  const files = await prepared();
  await files.discard('a.json', 'x');
  rmSync(files.folder, { recursive: true });
  expect([await files.prepare(), files.discarded]).toEqual([true, 0]);
});

it('keeps the newest 100 broken entries, and reports their paths', async () => {
  const files = await prepared();
  const names = Array.from({ length: 102 }, (_, n) => `${1_000 + n}.json`);
  for (const name of names) {
    writeFileSync(join(files.folder, name), 'broken');
    expect(await files.setAside(name)).toBe(join(files.folder, 'broken', name));
  }
  expect(readdirSync(join(files.folder, 'broken')).sort()).toEqual(names.slice(2));
});
