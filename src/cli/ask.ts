import { createInterface } from 'node:readline/promises';
import { ClawmeshError } from '../domain/errors.ts';
import { printable } from './output.ts';

/**
 * Asks the person at the terminal; only a clear yes is one. Without a terminal it fails as `unasked` says.
 *
 * @throws ClawmeshError `usage`.
 */
export async function ask(question: string, unasked: { problem: string; remedy: string }): Promise<boolean> {
  if (!process.stdin.isTTY) throw new ClawmeshError('usage', unasked.problem, { remedy: unasked.remedy });
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${printable(question)} [y/N] `);
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}
