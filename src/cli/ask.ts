import { createInterface } from 'node:readline/promises';
import { ClawmeshError } from '../domain/errors.ts';
import { printable } from '../domain/terminal-text.ts';

/**
 * Asks the user at the terminal; only an explicit yes counts. Without a terminal it throws the error in `unasked`.
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
