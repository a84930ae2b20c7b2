import { globSync } from 'node:fs';
import { ROOT } from './markdown.ts';

/** Pages whose blocks are run. The tutorial and README first, since they are read first. */
export const RUN_PAGES: readonly string[] = [
  'README.md',
  ...pagesIn('docs/tutorial'),
  ...pagesIn('docs/how-to'),
  'docs/faq.md',
];

/** Pages that are read: links, anchors, line lengths. */
export const ALL_PAGES: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...globSync('docs/**/*.md', { cwd: ROOT }).sort(),
];

function pagesIn(folder: string): string[] {
  return globSync(`${folder}/*.md`, { cwd: ROOT }).sort();
}
