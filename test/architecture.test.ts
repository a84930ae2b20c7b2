import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Which folders a folder of src may import from; everything may import its own and `domain`. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  platform: [],
  log: ['platform'],
  config: [],
  gates: ['config', 'platform'],
  runners: ['platform'],
  redis: ['config', 'platform'],
  registry: ['redis'],
  queue: ['redis'],
  node: ['config', 'gates', 'log', 'platform', 'queue', 'redis', 'registry', 'runners'],
  client: ['config', 'platform', 'queue', 'redis', 'registry'],
  'index.ts': ['client', 'queue', 'registry'],
  ops: ['client', 'config', 'log', 'platform', 'queue', 'redis', 'registry'],
  cli: ['client', 'config', 'log', 'node', 'ops', 'platform', 'queue', 'redis', 'registry', 'runners'],
};

/** Folders of which a folder may import types beyond that, though no code. */
const TYPES: Readonly<Record<string, readonly string[]>> = { runners: ['config'] };

const root = resolve(import.meta.dirname, '../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));
const typesOf = (text: string) =>
  [...text.matchAll(/^import type \{[^}]*\} from '([^']+)'/gm)].map((match) => match[1] as string);
const importsOf = (text: string) =>
  [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] as string);

describe('the source tree', () => {
  it.each(files)('$file imports only downwards', ({ file, text }) => {
    const folder = file.split('/')[0] as string;
    const types = typesOf(text);
    for (const target of importsOf(text).filter((name) => name.startsWith('.'))) {
      const path = relative(root, resolve(root, file, '..', target));
      const other = path.split('/')[0] as string;
      if (path.startsWith('..') || other === folder) continue;
      const alsoTypes = types.includes(target) ? (TYPES[folder] ?? []) : [];
      expect([...(ALLOWED[folder] ?? []), ...alsoTypes, 'domain']).toContain(other);
    }
  });

  it('uses Redis and BullMQ only in redis/, queue/ and registry/', () => {
    const elsewhere = files.filter(
      ({ file, text }) =>
        !/^(redis|queue|registry)\//.test(file) &&
        importsOf(text.replace(/import type .*/g, '')).some((name) => name === 'bullmq' || name === 'ioredis'),
    );
    expect(elsewhere.map(({ file }) => file)).toEqual([]);
    const bull = files.filter(({ text }) => importsOf(text).some((name) => name.startsWith('bullmq')));
    expect(bull.every(({ file }) => file.startsWith('queue/bullmq/'))).toBe(true);
  });

  it('reads the time only from a clock that tests can set', () => {
    const ownTime =
      /performance\.now|Date\.now|new Date\(\)|set(?:Timeout|Interval)\(|timers\/promises|AbortSignal\.timeout/;
    const timed = files.filter(
      ({ file }) =>
        /^(client|gates|node|ops|queue|registry|runners)\//.test(file) && !file.startsWith('ops/dashboard/page/'),
    );
    expect(timed.length).toBeGreaterThan(100);
    expect(timed.filter(({ text }) => ownTime.test(text)).map(({ file }) => file)).toEqual([]);
  });

  it('keeps every file short enough to read in one go', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 400).map(({ file }) => file);
    expect(long).toEqual([]);
  });
});
