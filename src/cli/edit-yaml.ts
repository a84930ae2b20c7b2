import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import { ClawmeshError, messageOf } from '../domain/errors.ts';

/** What the user has made of a text, in a file that outlives a mistake. */
export interface Edited {
  readonly value: unknown;
  /** Removes the file once its content has been used. */
  remove(): void;
  /** The error for content that can't be used; it says where the edit is kept. */
  refused(problem: string): ClawmeshError;
}

/**
 * Lets the user edit a value as YAML, in `$VISUAL`, `$EDITOR` or vi. Only this user may read the file.
 *
 * @param help comment at the top of the file
 * @throws ClawmeshError `failed` if there is no editor, it fails, or leaves an empty file; `usage` for invalid YAML.
 */
export async function editYaml(value: unknown, help: readonly string[]): Promise<Edited> {
  const file = join(mkdtempSync(join(tmpdir(), 'clawmesh-')), 'task.yaml');
  const remove = () => rmSync(dirname(file), { recursive: true, force: true });
  const refused = (problem: string) =>
    new ClawmeshError('usage', problem, { remedy: `nothing was queued; your edit is kept in ${file}` });
  writeFileSync(file, [...help.map((line) => `# ${line}`), stringify(value)].join('\n'), { mode: 0o600 });
  try {
    await runEditor(file);
  } catch (error) {
    remove();
    throw error;
  }
  const document = parseDocument(readFileSync(file, 'utf8'), { prettyErrors: true });
  const [mistake] = document.errors;
  if (mistake) throw refused(`not valid YAML: ${messageOf(mistake)}`);
  if (document.contents !== null) return { value: document.toJS(), remove, refused };
  remove();
  throw new ClawmeshError('failed', 'the edited file is empty', { remedy: 'nothing was queued' });
}

/** Runs the editor through a shell, as git does: its name may come with arguments. */
async function runEditor(file: string): Promise<void> {
  const editor = process.env.VISUAL || process.env.EDITOR || 'vi';
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  if (code === 0) return;
  throw new ClawmeshError('failed', `the editor (${editor}) ended with ${signal ?? `exit code ${code}`}`, {
    remedy: 'nothing was queued; set EDITOR to another one if it does not work',
  });
}
