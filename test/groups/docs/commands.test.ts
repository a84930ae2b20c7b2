import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { configSchema } from '../../../src/config/schema.ts';
import { DocsMesh } from '../../docs/docs-mesh.ts';
import { type Block, ROOT, readPage } from '../../docs/markdown.ts';
import { PageShell } from '../../docs/page-shell.ts';
import { RUN_PAGES } from '../../docs/pages.ts';

/** Languages of blocks that are only read. */
const READ = new Set(['text', 'mermaid']);

let mesh: DocsMesh;
/** What was done with each block; printed with CLAWMESH_DOCS_LIST=1. */
const record: string[] = [];

beforeAll(async () => {
  mesh = await DocsMesh.start();
});

afterEach(async () => {
  await mesh.clean();
});

afterAll(async () => {
  await mesh?.stop();
  if (process.env.CLAWMESH_DOCS_LIST) console.log(record.join('\n'));
});

describe.each(RUN_PAGES.map((page) => readPage(page)))('the commands of $page', ({ page, blocks }) => {
  it('do what the page says, or say why no test runs them', async () => {
    const shell = new PageShell({ config: mesh.config, redis: mesh.redisUrl, substitutes: mesh.substitutes });
    try {
      for (const block of blocks) {
        const place = `${page}:${block.line}`;
        const what = await run(shell, block).catch((error: Error) => {
          throw new Error(`${place}: ${error.message}`);
        });
        if (what) record.push(`${place}  ${what}: ${block.lines[0]?.trim()}`);
      }
    } finally {
      await shell.close();
    }
  });
});

it('the commands of each page that README and docs promise to run are looked for', () => {
  expect(RUN_PAGES.filter((page) => !existsSync(join(ROOT, page)))).toEqual([]);
  expect(RUN_PAGES.length).toBeGreaterThan(18);
});

/** @returns what was done with the block; undefined if it is only read. */
async function run(shell: PageShell, block: Block): Promise<string | undefined> {
  const { language, lines, mark, first } = block;
  if (first) await shell.prepare(first);
  if (mark?.kind === 'not run') return `not run, ${mark.text}`;
  if (READ.has(language)) return undefined;
  if (mark?.kind === 'file') shell.write(mark.text, lines.join('\n'));
  if (language === 'yaml') return checkConfig(lines.join('\n'));
  if (mark?.kind === 'file') return 'written';
  if (mark?.kind === 'keeps running') return shell.start(block).then(() => 'run in the background');
  if (language === 'console') return shell.session(block).then(() => 'run');
  if (language === 'sh') return shell.script(block).then(() => 'run');
  throw new Error(
    `a block of "${language}" can't be run: use console or sh, mark it with <!-- not run: why -->, or make it text`,
  );
}

/** Part of a config is right if the schema accepts it. */
function checkConfig(text: string): string {
  // Secrets have to be long, and tokens to differ.
  const filled = text.replace(/\$\{(\w+)[^}]*\}/g, (_, name: string) => `value-of-${name.toLowerCase()}`);
  for (const document of parseAllDocuments(filled)) {
    if (document.errors[0]) throw document.errors[0];
    const result = configSchema.safeParse(document.toJS());
    const issues = result.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    if (issues) throw new Error(`not part of a config: ${issues.join('; ')}`);
  }
  return 'checked as part of a config';
}
