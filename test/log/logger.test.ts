import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/log/logger.ts';
import { emptyFolder } from '../support/folders.ts';

const logger = join(import.meta.dirname, '../../src/log/logger.ts');
const hostile = 'a\\\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\r\u0008\u007fz';

/** What a process prints that logs this as its message and as a field. */
async function printed(format: 'json' | 'pretty'): Promise<string> {
  const source = `
    const { createLogger } = await import(${JSON.stringify(logger)});
    const text = process.env.HOSTILE;
    createLogger({ level: 'info', format: '${format}' }).warn({ error: text, nested: { text } }, text);`;
  const args = ['--input-type=module', '--eval', source];
  const { stderr } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, HOSTILE: hostile } });
  return stderr;
}

it('makes the log a file that only its user may read', () => {
  const file = join(emptyFolder(), 'logs/node.log');
  createLogger({ level: 'info', format: 'json', file }).info('a line');
  expect(readFileSync(file, 'utf8')).toContain('a line');
  expect(statSync(file).mode & 0o077).toBe(0);
});

describe('a log line with terminal control characters', () => {
  it('writes JSON that holds the whole text and steers no terminal', async () => {
    const line = await printed('json');
    expect(line).not.toMatch(/[^\P{Cc}\n\t]|\u202e/u);
    expect(JSON.parse(line)).toMatchObject({ error: hostile, nested: { text: hostile }, msg: hostile });
  });

  it('writes lines for people that steer no terminal', async () => {
    const line = await printed('pretty');
    expect(line).toMatch(/WARN.*z/);
    expect(line).not.toMatch(/[^\P{Cc}\n\t]|\u202e/u);
  });
});
