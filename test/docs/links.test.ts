import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, filesNamed, linksOf, ROOT, readPage } from './markdown.ts';
import { ALL_PAGES } from './pages.ts';

/** Folders from which pages name files. */
const NAMED_FROM = ['', 'src', 'src/queue/bullmq/lua'];
/** Files of users. */
const NOT_OURS = new Set(['config/clawmesh.yaml']);

describe.each(ALL_PAGES.map((page) => readPage(page)))('$page', (page) => {
  it('links only to files and headings that exist', () => {
    const dead = linksOf(page).flatMap(({ line, target }) => {
      const why = /^[a-z]+:/.test(target) ? undefined : deadEnd(page.page, target);
      return why ? [`${page.page}:${line}: ${target}: ${why}`] : [];
    });
    expect(dead).toEqual([]);
  });

  it('names only files of this repository that exist', () => {
    // Decisions also tell of files that have gone since.
    const named = page.page.startsWith('docs/adr/') || page.page === 'CHANGELOG.md' ? [] : filesNamed(page);
    const there = (file: string) => NAMED_FROM.some((folder) => existsSync(join(ROOT, folder, file)));
    expect(named.filter((file) => !there(file) && !NOT_OURS.has(file))).toEqual([]);
  });
});

it('docs/README.md leads to every page', () => {
  const linked = new Set(
    linksOf(readPage('docs/README.md')).map(({ target }) => join('docs', target.split('#')[0] ?? '')),
  );
  const pages = ALL_PAGES.filter((page) => page.startsWith('docs/') && !page.startsWith('docs/adr/'));
  expect(pages.filter((page) => page !== 'docs/README.md' && !linked.has(page))).toEqual([]);
});

it('docs/reference/bullmq.md quotes titles of tests that exist', () => {
  const rows = readPage('docs/reference/bullmq.md').prose.filter(({ text }) => text.startsWith('|'));
  expect(rows.flatMap(({ text }) => missingTitles(text.split(' | ').at(-1) ?? ''))).toEqual([]);
});

/** The titles in a cell (`file`: "title", "title") that are not in their file; a title may be cut by `…`. */
function missingTitles(cell: string): string[] {
  let source = '';
  return [...cell.matchAll(/`([^`]+)`(?=:)|"([^"]+)"/g)].flatMap(([, name, title]) => {
    if (name) source = readFileSync(join(ROOT, name.includes('/') ? name : `test/queue/${name}.test.ts`), 'utf8');
    const known = title === undefined || source.includes(title.replace(/ ?…$/, '').replaceAll("'", "\\'"));
    return known || source.includes(title) ? [] : [title];
  });
}

/** Why a link of a page leads nowhere. */
function deadEnd(page: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
  if (!existsSync(join(ROOT, file))) return 'no such file';
  if (anchor === undefined) return undefined;
  if (!file.endsWith('.md') || statSync(join(ROOT, file)).isDirectory()) return 'no page with headings';
  return anchorsOf(readPage(file)).has(anchor) ? undefined : 'no such heading';
}
