import { globSync, readFileSync } from 'node:fs';
import { lint } from './prose/lint.ts';

// Fails on names that are gone, and on phrases that read as translated: in comments, messages, titles of tests, and pages.
const FILES = ['{src,test,bench,scripts}/**/*.{ts,tsx,lua}', 'docs/**/*.md', '*.md'];
const hits = globSync(FILES)
  .sort()
  .flatMap((file) => lint(file, readFileSync(file, 'utf8')));
for (const { file, line, found, better } of hits) console.error(`${file}:${line}: "${found}": better ${better}`);
process.exitCode = hits.length > 0 ? 1 : 0;
