import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LanguageClient } from '../../support/language-client.ts';
import { yamlServerBin } from '../../support/yaml-server-paths.ts';

const root = new URL('../../../', import.meta.url);
const schema = new URL('docs/reference/schema/config.json', root);
/** The line by which a config names its schema; here, that of this checkout. */
const MODELINE = `# yaml-language-server: $schema=${schema.href}\n`;

describe('the config in an editor with a YAML language server', () => {
  let editor: LanguageClient;
  beforeAll(async () => {
    editor = new LanguageClient(process.execPath, [yamlServerBin, '--stdio']);
    await editor.start();
  });
  afterAll(() => editor.stop());

  const problemsIn = async (name: string, text: string): Promise<string[]> => {
    const uri = pathToFileURL(`/${name}.yaml`).href;
    editor.open(uri, MODELINE + text);
    await expect.poll(() => editor.problems(uri), { timeout: 60_000 }).toBeDefined();
    return editor.problems(uri) ?? [];
  };
  /** The completions at the end of the text. */
  const completions = async (name: string, text: string) => {
    await problemsIn(name, text);
    const lines = (MODELINE + text).split('\n');
    const reply = (await editor.request('textDocument/completion', {
      textDocument: { uri: pathToFileURL(`/${name}.yaml`).href },
      position: { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 },
    })) as { items: { label: string; documentation?: unknown }[] };
    return reply.items;
  };

  it('completes settings, with their meanings, and the values of a choice', async () => {
    const settings = await completions('settings', 'mesh: studio\nqu');
    expect(settings.map(({ label }) => label)).toContain('queue');
    const queue = await completions('queue', 'queue:\n  visi');
    expect(queue.map(({ label }) => label)).toContain('visibilityTimeout');
    expect(JSON.stringify(queue)).toContain('How long a claim lasts without renewal');
    const modes = await completions('modes', 'openclaw:\n  mode: ');
    expect(modes.map(({ label }) => label)).toEqual(expect.arrayContaining(['gateway', 'exec', 'simulate', 'auto']));
  });

  it('marks a wrong key and a wrong value, and nothing in the example of the package', async () => {
    expect((await problemsIn('key', 'mesh: studio\nqueu:\n  attempts: 3\n')).join()).toMatch(/queu is not allowed/);
    expect((await problemsIn('value', 'dispatch: {strategy: fastest}\n')).join()).toMatch(/round-robin/);
    const example = readFileSync(new URL('config/clawmesh.example.yaml', root), 'utf8');
    expect(await problemsIn('example', example.replace(/^# yaml-language-server.*\n/, ''))).toEqual([]);
  });

  it('accepts environment variables, and text that looks like a number', async () => {
    const text =
      'mesh: ${MESH}\nredis: {url: "${URL}"}\nqueue: {attempts: "${ATTEMPTS:-3}"}\nlog: {level: "${LEVEL}"}\nnodes: {mac-1: {labels: {xcode: 26}}}\n';
    expect(await problemsIn('variables', text)).toEqual([]);
  });

  it('is checked by the schema that the example names', () => {
    const example = readFileSync(new URL('config/clawmesh.example.yaml', root), 'utf8');
    const { $id } = JSON.parse(readFileSync(fileURLToPath(schema), 'utf8')) as { $id: string };
    expect(example).toMatch(/^# yaml-language-server: /);
    expect(example).toContain(`$schema=${$id}\n`);
  });
});
